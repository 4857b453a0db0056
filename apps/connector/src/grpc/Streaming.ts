/**
 * A gRPC method that answers with a stream, from an Effect that gives its messages: bounded, interrupted and failing as
 * a unary one, and no faster than the caller reads.
 */
import type { handleServerStreamingCall, ServerWritableStream } from "@grpc/grpc-js"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Call from "../call/Call.ts"
import type { Failure } from "../call/ConnectorError.ts"
import { deadlineOf, serviceError } from "./Unary.ts"

/**
 * Makes handlers that run on the given services (loggers, clock).
 */
export const streaming =
  (services: Context.Context<never>) =>
  <Request, Response>(
    operation: string,
    handle: (request: Request) => Effect.Effect<Iterable<Response>, Failure>
  ): handleServerStreamingCall<Request, Response> =>
  (call) => {
    const work = Effect.suspend(() => handle(call.request)).pipe(
      Effect.flatMap((messages) => Effect.forEach(messages, (message) => write(call, message), { discard: true }))
    )
    const interrupt = Effect.runCallbackWith(services)(Call.run(operation, deadlineOf(call), work), {
      onExit: (exit) => {
        if (Exit.isSuccess(exit)) call.end()
        else call.emit("error", serviceError(exit.cause))
      }
    })
    call.on("cancelled", () => interrupt())
  }

const write = <Request, Response>(call: ServerWritableStream<Request, Response>, message: Response) =>
  Effect.callback<void>((resume) => {
    const go = () => resume(Effect.void)
    if (call.write(message)) return go()
    call.once("drain", go)
    return Effect.sync(() => call.off("drain", go))
  })
