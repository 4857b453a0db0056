/**
 * When a request to the token endpoint is sent again.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { AuthError } from "./AuthError.ts"

/**
 * The schedule of retries. It sees the failure, so that it can obey `Retry-After`; failures that a retry cannot help
 * never reach it.
 */
export const RetryPolicy = Context.Reference<Schedule.Schedule<unknown, AuthError>>(
  "@flyte-databricks/databricks-auth/RetryPolicy",
  { defaultValue: () => defaultRetryPolicy }
)

/**
 * Up to five tries. Jitter keeps many namespaces from coming back at once. Flyte waits ten seconds for an answer by
 * default: what asks to be left alone for more than five is a failure now rather than a success too late.
 */
export const defaultRetryPolicy: Schedule.Schedule<unknown, AuthError> = Schedule.exponential("200 millis").pipe(
  Schedule.jittered,
  Schedule.setInputType<AuthError>(),
  Schedule.upTo({ times: 4 }),
  Schedule.modifyDelay(({ input, duration }) => Effect.succeed(Duration.max(duration, retryAfter(input)))),
  Schedule.while(({ duration }) => Duration.isLessThanOrEqualTo(duration, Duration.seconds(5)))
)

const retryAfter = ({ reason }: AuthError): Duration.Duration =>
  reason._tag === "TokenEndpointUnavailable" ? Duration.millis(reason.retryAfterMillis ?? 0) : Duration.zero
