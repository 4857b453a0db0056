/**
 * When a request to the token endpoint is sent again.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { AuthError, TokenEndpointUnavailable } from "../AuthError.ts"

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
