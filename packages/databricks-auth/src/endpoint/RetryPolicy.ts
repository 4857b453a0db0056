/**
 * When a request to the token endpoint, or to the documents that name it, is sent again.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { AuthError, TokenEndpointUnavailable } from "../AuthError.ts"
import * as Hedge from "../http/Hedge.ts"

/**
 * The schedule of retries. Only failures that may pass reach it. A longer wait that the endpoint asks for with
 * `Retry-After` goes before its own, and whatever does not fit into what is left of `TotalTimeout` ends it.
 */
export const RetryPolicy = Context.Reference<Schedule.Schedule<unknown, AuthError>>(
  "@flyte-databricks/databricks-auth/endpoint/RetryPolicy",
  {
    // Up to five tries, at most a second apart. Jitter keeps many namespaces from coming back at once.
    defaultValue: () =>
      Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("1 second")]).pipe(
        Schedule.jittered,
        Schedule.setInputType<AuthError>(),
        Schedule.upTo({ times: 4 })
      )
  }
)

/**
 * How long one try may take. It is longer than Flyte waits by default: the request goes on for those who ask next.
 */
export const TryTimeout = Context.Reference<Duration.Input>("@flyte-databricks/databricks-auth/endpoint/TryTimeout", {
  defaultValue: () => "16 seconds"
})

/**
 * Within which time tries may begin. Flyte waits ten seconds for an answer by default, and is to hear why there is none.
 */
export const TotalTimeout = Context.Reference<Duration.Input>("@flyte-databricks/databricks-auth/TotalTimeout", {
  defaultValue: () => "8500 millis"
})

// Databricks answers within a second. Where there is no answer in this part of a try's time, the request may be lost.
const lostAfter = 0.25

/**
 * Makes the way to try once: a request, others beside it while there is silence, and an end to that.
 */
export const makeTry = Effect.map(TryTimeout, (given) => {
  const timeout = Duration.fromInputUnsafe(given)
  return <A, E, R>(send: Effect.Effect<A, E, R>, silent: (detail: string) => E): Effect.Effect<A, E, R> =>
    Hedge.hedged(send, Duration.toMillis(timeout) * lostAfter).pipe(
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(silent(`nothing within ${Duration.format(timeout)}`))
      })
    )
})

// An endpoint that has just gone down may be back in a moment. After that, calls no longer wait for it.
const waitedOutMillis = 5000

/**
 * The policy within a deadline (an instant in milliseconds), obeying `Retry-After`. It ends where the next try would come
 * too late.
 */
export const within = (
  policy: Schedule.Schedule<unknown, AuthError>,
  deadline: number
): Schedule.Schedule<unknown, AuthError> =>
  policy.pipe(
    Schedule.modifyDelay(({ input, duration }) =>
      Effect.succeed(Duration.max(duration, Duration.millis(input.retryAfterMillis)))
    ),
    Schedule.while(
      ({ input, now, duration }) => now + Duration.toMillis(duration) < Math.min(deadline, patience(input))
    )
  )

/** The error, with the time that was left where the endpoint asked for more. */
export const tooLong = (error: AuthError, leftMillis: number): AuthError =>
  error.reason._tag === "TokenEndpointUnavailable" && error.retryAfterMillis > Math.max(0, leftMillis)
    ? new AuthError({ reason: new TokenEndpointUnavailable({ ...error.reason, leftMillis: Math.max(0, leftMillis) }) })
    : error

const patience = ({ reason }: AuthError): number =>
  reason._tag === "TokenEndpointUnavailable" && reason.downSinceMillis !== undefined
    ? reason.downSinceMillis + waitedOutMillis
    : Infinity
