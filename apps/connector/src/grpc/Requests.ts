/**
 * What a request may cost before anybody knows whose it is: how large its headers are, how long it takes to arrive, how
 * many bytes are kept meanwhile, and how many values are made of it. Whatever is over is refused; memory is never the
 * limit that is met first.
 */
import { type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf"
import type { GrpcMethodDefinition } from "@flyte-databricks/flyte-protocol"
import * as Grpc from "@grpc/grpc-js"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2"
import { isPlain, sessionOf, streamOf } from "./Internals.ts"
import { scan } from "./WireScan.ts"

/**
 * What requests may cost.
 */
export interface Limits {
  /** Headers of a call, in bytes. gRPC's own libraries refuse more than this. */
  readonly headerBytes: number
  /** How long a request may take from its first byte to its last. */
  readonly wholeWithin: Duration.Duration
  /** Fields, elements and entries of a request, its inputs left out. Real tasks have a hundred or two. */
  readonly values: number
  /** What the calls of one connection may weigh: their requests as far as they are there, until they are answered. */
  readonly heldPerConnection: number
  /** What those of all connections may. */
  readonly heldInAll: number
}

const mebibyte = 1024 * 1024

export const Limits = Context.Reference<Limits>("@flyte-databricks/connector/grpc/RequestLimits", {
  defaultValue: () => ({
    headerBytes: 16 * 1024,
    wholeWithin: Duration.seconds(10),
    values: 10_000,
    heldPerConnection: 32 * mebibyte,
    heldInAll: 48 * mebibyte
  })
})

// In bytes of memory, as measured: a call by itself, a piece of a request that came by itself, and a value once it is
// read (between 10 and 80).
const callWeight = 8 * 1024
const pieceWeight = 256
const valueWeight = 64

/** A call whose request is on its way, or that is under way. */
interface Held {
  readonly call: Grpc.ServerInterceptingCallInterface
  readonly stream: ServerHttp2Stream
  readonly connection: Connection
  readonly since: number
  /** Answered at once, and from memory. */
  readonly isLight: boolean
  weight: number
  isRefused: boolean
}

interface Connection {
  weight: number
  /** Its requests that are not whole yet, the oldest first. */
  readonly unfinished: Set<Held>
}

/**
 * The requests of a server.
 */
interface Requests {
  readonly interceptor: Grpc.ServerInterceptor
  /**
   * Adds services whose requests are looked at before they are read. Those of a light one are answered at once, from
   * memory: they must be small, and are then refused for nobody else's sake.
   */
  readonly reading: (server: Pick<Grpc.Server, "addService">, kind?: "light") => Pick<Grpc.Server, "addService">
  /** Refuses what does not become whole, for as long as it runs. */
  readonly watch: Effect.Effect<never>
  /** Refuses all that is not whole yet: nobody waits for it any longer. */
  readonly endUnfinished: Effect.Effect<void>
}

const inputSizes = new WeakMap<object, number>()

/**
 * How many bytes the inputs of a task have. Nobody here reads them, and they may be most of a request, so that they are
 * not part of the message.
 */
export const inputBytes = (request: Message): number => inputSizes.get(request) ?? 0

export const make = Effect.fnUntraced(function* (maxMessageBytes: number) {
  const limits = yield* Limits
  // A message that is allowed is read, beside another one: who wants larger ones has the memory for some.
  const perConnection = Math.max(limits.heldPerConnection, 2 * maxMessageBytes)
  const forAll = Math.max(limits.heldInAll, 3 * maxMessageBytes)
  const clock = yield* Clock.Clock
  const methods = new Map<string, { readonly type: DescMessage; readonly isLight: boolean }>()
  const connections = new Map<ServerHttp2Session | undefined, Connection>()
  let inAll = 0

  const connectionOf = (session: ServerHttp2Session | undefined): Connection => {
    const known = connections.get(session)
    if (known !== undefined) return known
    const connection: Connection = { weight: 0, unfinished: new Set() }
    connections.set(session, connection)
    session?.once("close", () => connections.delete(session))
    return connection
  }

  const add = (held: Held, weight: number): void => {
    held.weight += weight
    held.connection.weight += weight
    inAll += weight
  }

  const refuse = (held: Held, code: Grpc.status, details: string): void => {
    held.call.sendStatus({ code, details })
  }

  // The one that has sent most without finishing it pays: callers with requests of ordinary size do not hear of it.
  const heaviest = (): Connection | undefined => {
    let found: Connection | undefined
    for (const connection of connections.values()) {
      if (connection.unfinished.size > 0 && connection.weight > (found?.weight ?? 0)) found = connection
    }
    return found
  }

  const makeRoom = (held: Held): void => {
    const { connection, isLight } = held
    if (isLight && held.weight > callWeight + limits.headerBytes + lightBytes) {
      return refuse(held, Grpc.status.RESOURCE_EXHAUSTED, `The request has more than ${lightBytes} bytes.`)
    }
    if (connection.weight > perConnection && !isLight) {
      return refuse(held, Grpc.status.RESOURCE_EXHAUSTED, tooMuch("this connection's", perConnection))
    }
    if (inAll <= forAll) return
    const details = tooMuch("all", forAll)
    for (const unfinished of heaviest()?.unfinished ?? []) {
      if (unfinished !== held) refuse(unfinished, Grpc.status.RESOURCE_EXHAUSTED, details)
    }
    if (inAll > forAll && !isLight) refuse(held, Grpc.status.RESOURCE_EXHAUSTED, details)
  }

  /** The message of the request; `undefined` where it was refused. */
  const read = (held: Held, type: DescMessage, bytes: Uint8Array): Message | undefined => {
    const inputs = type.fields.find(({ name }) => name === "inputs")
    const seen = scan(type, bytes, inputs?.number)
    if (seen === undefined) return void refuse(held, Grpc.status.INTERNAL, noMessage(type))
    if (seen.values > limits.values) {
      const details = `The request has ${seen.values} values; at most ${limits.values} are read.`
      return void refuse(held, Grpc.status.INVALID_ARGUMENT, details)
    }
    add(held, seen.values * valueWeight)
    makeRoom(held)
    if (held.isRefused) return undefined
    try {
      const message = fromBinary(type, without(bytes, seen.found), { readUnknownFields: false })
      inputSizes.set(
        message,
        seen.found.reduce((sum, { content, end }) => sum + end - content, 0)
      )
      return message
    } catch {
      return void refuse(held, Grpc.status.INTERNAL, noMessage(type))
    }
  }

  const interceptor: Grpc.ServerInterceptor = ({ path }, call) => {
    const { type, isLight = false } = methods.get(path) ?? {}
    const stream = streamOf(call)
    const connection = connectionOf(sessionOf(call))
    const held: Held = {
      call,
      stream,
      connection,
      since: clock.currentTimeMillisUnsafe(),
      isLight,
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
            return refuse(held, Grpc.status.RESOURCE_EXHAUSTED, details)
          }
          // What is packed may become as large as a message may be, before anybody sees it.
          add(held, callWeight + size + (isPlain(call) ? 0 : maxMessageBytes))
          makeRoom(held)
          listener.onReceiveMetadata(metadata)
        },
        onReceiveMessage: (bytes: Uint8Array) => {
          const message = type === undefined ? bytes : read(held, type, bytes)
          if (message !== undefined) listener.onReceiveMessage(message)
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
      add(held, chunk.length + pieceWeight)
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

  const endUnfinished = (code: Grpc.status, details: string, isMeant: (held: Held) => boolean = () => true) => {
    for (const { unfinished } of connections.values()) {
      for (const held of unfinished) if (isMeant(held)) refuse(held, code, details)
    }
  }
  const within = Duration.toMillis(limits.wholeWithin)

  return {
    interceptor,
    reading: (server, kind) => ({
      addService: (definition, handlers) => {
        const unread = Object.entries(definition as unknown as Definition).map(([name, method]) => {
          methods.set(method.path, { type: method.requestType, isLight: kind === "light" })
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

type Definition = Readonly<Record<string, GrpcMethodDefinition<unknown, unknown>>>

/** The largest request that is answered from memory. */
const lightBytes = 4096

// A piece is part of all that was read from the socket at once, and would keep it.
const ownPiece = (chunk: Buffer): Buffer => {
  if (chunk.length * 8 > chunk.buffer.byteLength) return chunk
  const piece = Buffer.allocUnsafeSlow(chunk.length)
  chunk.copy(piece)
  return piece
}

const noMessage = ({ typeName }: DescMessage): string => `The request cannot be read: it is no ${typeName}.`

const tooMuch = (whose: string, limit: number): string =>
  `Too much at once: ${whose} calls under way may hold ${limit / mebibyte} MiB. Try again later.`

const bytesOf = (metadata: Grpc.Metadata): number => {
  let size = 0
  for (const [key, values] of Object.entries(metadata.toHttp2Headers())) {
    for (const value of [values].flat()) size += key.length + String(value).length
  }
  return size
}

const without = (bytes: Uint8Array, found: ReadonlyArray<{ readonly start: number; readonly end: number }>) => {
  if (found.length === 0) return bytes
  const ends = [0, ...found.map(({ end }) => end)]
  const starts = [...found.map(({ start }) => start), bytes.length]
  return Buffer.concat(starts.map((start, n) => bytes.subarray(ends[n], start)))
}
