/**
 * A gRPC method from an Effect: the caller's deadline bounds it, a caller that goes away interrupts it, and a failure
 * becomes a status with the error's own words.
 */
import { redact } from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import * as Catalogue from "@flyte-databricks/diagnosis/Catalogue"
import { type Deadline, type handleUnaryCall, Metadata, type ServiceError, status } from "@grpc/grpc-js"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Call from "../call/Call.ts"
import type { Failure } from "../call/ConnectorError.ts"
import type { Ended } from "../call/Ended.ts"
import * as Polls from "../telemetry/Polls.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import * as Tracing from "../telemetry/Tracing.ts"
import type { Received } from "./Received.ts"
import { codeOf } from "./Status.ts"

/**
 * Makes handlers that run on the given services (loggers, clock).
 */
export const unary = (services: Context.Context<never>) => {
  const tracing = Tracing.on(services)
  return <Request, Response>(
    operation: string,
    handle: (request: Received<Request>) => Effect.Effect<Response, Failure>
  ): handleUnaryCall<Received<Request>, Response> =>
    (call, callback) => {
      const watch = watched(operation, call, tracing)
      const interrupt = Effect.runCallbackWith(services)(
        tracing.within(
          call,
          Call.run(
            operation,
            deadlineOf(call),
            Effect.suspend(() => handle(call.request)),
            (end) => Effect.andThen(watch(end), summedUp(end)),
            call.getPeer()
          )
        ),
        {
          onExit: (exit) => {
            if (Exit.isSuccess(exit)) callback(null, exit.value)
            else callback(serviceError(exit.cause))
          }
        }
      )
      call.on("cancelled", () => interrupt())
    }
}

/** For who needs the message at once. */
export const whole =
  <Request, Answer>(handle: (request: Request) => Answer) =>
  (request: Received<Request>): Answer =>
    handle(request.message)

/** Tells metrics and traces how a call ended. */
export const watched =
  (operation: string, call: Tracing.Received, tracing: ReturnType<typeof Tracing.on>) =>
  ({ exit, durationMs, facts, warning }: Ended<unknown, Failure>): Effect.Effect<void> => {
    const error = Exit.isSuccess(exit) ? Option.none() : Cause.findErrorOption(exit.cause)
    const failure = Option.getOrUndefined(
      Option.map(error, (failed) => ({ reason: failed.reason._tag, code: Catalogue.codeOf(failed) }))
    )
    const code = Exit.isSuccess(exit) ? status.OK : codeOfCause(exit.cause)
    const { taskType, namespace, authType } = facts
    const spared = warning?.outcome
    const of = { operation, method: Tracing.methodOf(call), taskType, namespace, authType }
    return Effect.andThen(
      Metrics.ended({ ...of, seconds: durationMs / 1000, code, failure, spared }),
      tracing.ended({ code, facts, outcome: failure?.reason ?? spared })
    )
  }

// Only polls have a phase.
const summedUp = ({ exit, facts, warning }: Ended<unknown, Failure>): Effect.Effect<void> =>
  Exit.isSuccess(exit) && warning === undefined && facts.phase !== undefined
    ? Effect.map(Polls.Polls, ({ seen }) => seen(facts.instance ?? "unknown", facts.phase ?? ""))
    : Effect.void

const codeOfCause = (cause: Cause.Cause<Failure>): status =>
  Option.match(Cause.findErrorOption(cause), {
    onSome: codeOf,
    onNone: () => (Cause.hasInterruptsOnly(cause) ? status.CANCELLED : status.INTERNAL)
  })

/**
 * When the caller stops waiting, in milliseconds; none where it set no deadline.
 */
export const deadlineOf = (call: { readonly getDeadline: () => Deadline }): Option.Option<number> =>
  Option.liftPredicate(Number(call.getDeadline()), Number.isFinite)

// HTTP/2 headers carry the message; proxies refuse long ones, and Flyte's console shows the beginning.
const maxDetails = 4000

/**
 * The status that a failure becomes.
 */
export const serviceError = (cause: Cause.Cause<Failure>): Partial<ServiceError> => {
  const failure = Cause.findErrorOption(cause)
  if (Option.isSome(failure)) {
    // Half a surrogate pair, which cutting leaves behind, cannot be percent-encoded: gRPC would throw.
    const message = redact(failure.value.message, { until: maxDetails }).slice(0, maxDetails).toWellFormed()
    const code = Catalogue.codeOf(failure.value)
    const details = `${message} [${code}, ${Catalogue.entry(code).anchor}]`
    return { code: codeOf(failure.value), details, metadata: new Metadata() }
  }
  const code = codeOfCause(cause)
  return code === status.CANCELLED
    ? { code, details: "The call was cancelled." }
    : { code, details: "The connector failed unexpectedly; its log has the details." }
}
