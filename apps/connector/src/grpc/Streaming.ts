/**
 * A gRPC method that answers with a stream, from an Effect that gives its messages: bounded, interrupted and failing as
 * a unary one, and no faster than the caller reads.
 */
import type { handleServerStreamingCall, ServerWritableStream } from "@grpc/grpc-js"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Call from "../call/Call.ts"
import type { Failure } from "../call/ConnectorError.ts"
import * as Tracing from "../telemetry/Tracing.ts"
import type { Received } from "./Received.ts"
import { deadlineOf, serviceError, watched } from "./Unary.ts"

// An answer is in memory until its reader has taken it, who may take his time: so there are not many at once, and none
// lasts longer than a call without a deadline does.
const atOnce = 8
const longest = 60_000

/**
 * Makes handlers that run on the given services (loggers, clock).
 */
export const streaming = (services: Context.Context<never>) => {
  const room = Semaphore.makeUnsafe(atOnce)
  const clock = Context.get(services, Clock.Clock)
  const tracing = Tracing.on(services)
  return <Request, Response>(
    operation: string,
    handle: (request: Request) => Effect.Effect<Iterable<Response>, Failure>
  ): handleServerStreamingCall<Received<Request>, Response> =>
    (call) => {
      const work = Effect.suspend(() => handle(call.request.message)).pipe(
        Effect.flatMap((messages) => Effect.forEach(messages, (message) => write(call, message), { discard: true })),
        room.withPermit
      )
      const deadline = Option.filter(deadlineOf(call), (at) => at - clock.currentTimeMillisUnsafe() <= longest)
      const watch = watched(operation, call, tracing)
      const answered = Call.run(operation, deadline, work, (end) => watch(end))
      const interrupt = Effect.runCallbackWith(services)(tracing.within(call, answered), {
        onExit: (exit) => {
          if (Exit.isSuccess(exit)) call.end()
          else call.emit("error", serviceError(exit.cause))
        }
      })
      call.on("cancelled", () => interrupt())
    }
}

const write = <Request, Response>(call: ServerWritableStream<Request, Response>, message: Response) =>
  Effect.callback<void>((resume) => {
    const go = () => resume(Effect.void)
    if (call.write(message)) return go()
    call.once("drain", go)
    return Effect.sync(() => call.off("drain", go))
  })
