/**
 * The memory that calls under way hold, of one connection and of all, and who is refused where it is too much: whoever
 * has sent most without finishing it.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2"

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
export const callWeight = 8 * 1024
export const pieceWeight = 256
export const valueWeight = 64

/** The largest request that is answered from memory. */
const lightBytes = 4096

/** A call whose request is on its way, or that is under way. */
export interface Held {
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

export const refuse = (held: Held, code: Grpc.status, details: string): void => {
  held.call.sendStatus({ code, details })
}

/** The room of a server whose messages may have so many bytes. */
export const make = (limits: Limits, maxMessageBytes: number) => {
  // A message that is allowed is read, beside another one: who wants larger ones has the memory for some.
  const perConnection = Math.max(limits.heldPerConnection, 2 * maxMessageBytes)
  const forAll = Math.max(limits.heldInAll, 3 * maxMessageBytes)
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

  /** Refuses those whose requests are not whole yet. */
  const endUnfinished = (code: Grpc.status, details: string, isMeant: (held: Held) => boolean = () => true) => {
    for (const { unfinished } of connections.values()) {
      for (const held of unfinished) if (isMeant(held)) refuse(held, code, details)
    }
  }

  return { connectionOf, add, makeRoom, endUnfinished }
}

const tooMuch = (whose: string, limit: number): string =>
  `Too much at once: ${whose} calls under way may hold ${limit / mebibyte} MiB. Try again later.`
