/**
 * What a request may cost before anybody knows whose it is: how large its headers are, how long it takes to arrive, how
 * many bytes are kept meanwhile, and how many values are made of it. Whatever is over is refused; memory is never the
 * limit that is met first.
 */
import type { DescMessage } from "@bufbuild/protobuf"
import type { GrpcMethodDefinition } from "@flyte-databricks/flyte-protocol"
import * as Grpc from "@grpc/grpc-js"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constants } from "node:http2"
import { isPlain, sessionOf, streamOf } from "./Internals.ts"
import { Received } from "./Received.ts"
import * as Room from "./Room.ts"
import { scan } from "./WireScan.ts"

/**
 * The requests of a server.
 */
interface Requests {
  readonly interceptor: Grpc.ServerInterceptor
  /**
   * Adds services whose requests are looked at before they are read: their handlers get them as `Received`. Those of a light
   * one are answered at once, from memory: they must be small, are then refused for nobody else's sake, and come as messages.
   */
  readonly reading: (server: Pick<Grpc.Server, "addService">, kind?: "light") => Pick<Grpc.Server, "addService">
  /** Refuses what does not become whole, for as long as it runs. */
  readonly watch: Effect.Effect<never>
  /** Refuses all that is not whole yet: nobody waits for it any longer. */
  readonly endUnfinished: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* (maxMessageBytes: number) {
  const limits = yield* Room.Limits
  const { connectionOf, add, makeRoom, endUnfinished } = Room.make(limits, maxMessageBytes)
  const clock = yield* Clock.Clock
  const methods = new Map<string, Method>()
  /** The request, or its message where that is light; `undefined` where it was refused. */
  const look = (held: Room.Held, { type, read }: Method, bytes: Buffer): unknown => {
    const inputs = type.fields.find(({ name }) => name === "inputs")
    const seen = scan(type, bytes, inputs?.number)
    if (seen === undefined) return void Room.refuse(held, Grpc.status.INTERNAL, noMessage(type))
    if (seen.values > limits.values) {
      const details = `The request has ${seen.values} values; at most ${limits.values} are read.`
      return void Room.refuse(held, Grpc.status.INVALID_ARGUMENT, details)
    }
    add(held, seen.values * Room.valueWeight)
    makeRoom(held)
    if (held.isRefused) return undefined
    const wanted = without(bytes, seen.found)
    const make = () => read(wanted)
    try {
      const message = make()
      const inputBytes = seen.found.reduce((sum, { content, end }) => sum + end - content, 0)
      return held.isLight ? message : new Received(message, make, inputBytes)
    } catch {
      return void Room.refuse(held, Grpc.status.INTERNAL, noMessage(type))
    }
  }

  const interceptor: Grpc.ServerInterceptor = ({ path }, call) => {
    const method = methods.get(path)
    const stream = streamOf(call)
    const connection = connectionOf(sessionOf(call))
    const held: Room.Held = {
      call,
      stream,
      connection,
      since: clock.currentTimeMillisUnsafe(),
      isLight: method?.isLight ?? false,
      weight: 0,
      isRefused: false
    }

    const sendStatus = call.sendStatus.bind(call)
    call.sendStatus = (status) => {
      if (held.isRefused) return
      sendStatus(status)
      // Who is refused before the end of the request may never come to that end.
      held.isRefused = connection.unfinished.delete(held)
      if (!held.isRefused) return
      add(held, -held.weight)
      stream.close(constants.NGHTTP2_NO_ERROR)
    }
    const start = call.start.bind(call)
    call.start = (listener) =>
      start({
        onReceiveMetadata: (metadata) => {
          const size = bytesOf(metadata)
          if (size > limits.headerBytes) {
            const details = `The call has ${size} bytes of headers; at most ${limits.headerBytes} are read.`
            return Room.refuse(held, Grpc.status.RESOURCE_EXHAUSTED, details)
          }
          // What is packed may become as large as a message may be, before anybody sees it.
          add(held, Room.callWeight + size + (isPlain(call) ? 0 : maxMessageBytes))
          makeRoom(held)
          listener.onReceiveMetadata(metadata)
        },
        onReceiveMessage: (bytes: Buffer) => {
          const request = method === undefined ? bytes : look(held, method, bytes)
          if (request !== undefined) listener.onReceiveMessage(request)
        },
        onReceiveHalfClose: () => {
          connection.unfinished.delete(held)
          listener.onReceiveHalfClose()
        },
        onCancel: () => listener.onCancel()
      })

    connection.unfinished.add(held)
    const deliver = stream.listeners("data")
    stream.removeAllListeners("data")
    stream.on("data", (chunk: Buffer) => {
      if (held.isRefused) return
      add(held, chunk.length + Room.pieceWeight)
      makeRoom(held)
      if (held.isRefused) return
      const piece = ownPiece(chunk)
      for (const listener of deliver) listener.call(stream, piece)
    })
    stream.once("close", () => {
      connection.unfinished.delete(held)
      add(held, -held.weight)
    })
    return call as Grpc.ServerInterceptingCall
  }

  const within = Duration.toMillis(limits.wholeWithin)

  return {
    interceptor,
    reading: (server, kind) => ({
      addService: (definition, handlers) => {
        const unread = Object.entries(definition as unknown as Definition).map(([name, method]) => {
          const { path, requestType: type, requestDeserialize: read } = method
          methods.set(path, { type, read, isLight: kind === "light" })
          return [name, { ...method, requestDeserialize: (bytes: Buffer) => bytes }]
        })
        server.addService(Object.fromEntries(unread) as Grpc.ServiceDefinition, handlers)
      }
    }),
    watch: Effect.sync(() => {
      const now = clock.currentTimeMillisUnsafe()
      const details = `No whole request came within ${Duration.format(limits.wholeWithin)}.`
      endUnfinished(Grpc.status.DEADLINE_EXCEEDED, details, ({ since }) => now - since >= within)
    }).pipe(Effect.delay(Duration.min(Duration.seconds(1), limits.wholeWithin)), Effect.forever),
    endUnfinished: Effect.sync(() => endUnfinished(Grpc.status.UNAVAILABLE, "The connector is stopping."))
  } satisfies Requests
})

interface Method {
  readonly type: DescMessage
  readonly read: (bytes: Buffer) => unknown
  readonly isLight: boolean
}

// gRPC's own type does not name the message that the generated code puts beside each method.
type Definition = Readonly<Record<string, GrpcMethodDefinition<unknown, unknown>>>

// A piece is part of all that was read from the socket at once, and would keep it.
const ownPiece = (chunk: Buffer): Buffer => {
  if (chunk.length * 8 > chunk.buffer.byteLength) return chunk
  const piece = Buffer.allocUnsafeSlow(chunk.length)
  chunk.copy(piece)
  return piece
}

const noMessage = ({ typeName }: DescMessage): string => `The request cannot be read: it is no ${typeName}.`

const bytesOf = (metadata: Grpc.Metadata): number => {
  let size = 0
  for (const [key, values] of Object.entries(metadata.toHttp2Headers())) {
    for (const value of [values].flat()) size += key.length + String(value).length
  }
  return size
}

const without = (bytes: Buffer, found: ReadonlyArray<{ readonly start: number; readonly end: number }>) => {
  if (found.length === 0) return bytes
  const ends = [0, ...found.map(({ end }) => end)]
  const starts = [...found.map(({ start }) => start), bytes.length]
  return Buffer.concat(starts.map((start, n) => bytes.subarray(ends[n], start)))
}
