/**
 * What gRPC has of a call and does not tell: it speaks of messages alone, and of those when they are whole.
 */
import type { ServerInterceptingCallInterface } from "@grpc/grpc-js"
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2"

interface Internals {
  readonly stream: ServerHttp2Stream
  readonly incomingEncoding: string
}

// Its own type names neither.
const internalsOf = (call: ServerInterceptingCallInterface): Internals => call as unknown as Internals

export const streamOf = (call: ServerInterceptingCallInterface): ServerHttp2Stream => internalsOf(call).stream

/** The connection; none where it is gone already. */
export const sessionOf = (call: ServerInterceptingCallInterface): ServerHttp2Session | undefined =>
  streamOf(call).session as ServerHttp2Session | undefined

/** Whether the request comes as it is, and not packed. */
export const isPlain = (call: ServerInterceptingCallInterface): boolean =>
  internalsOf(call).incomingEncoding === "identity"
