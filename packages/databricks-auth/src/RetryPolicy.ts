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
 * Up to five tries within about eight seconds: Flyte waits ten for an answer by default, and it is to hear why there
 * is none. Jitter keeps many namespaces from coming back at once.
 */
export const defaultRetryPolicy: Schedule.Schedule<unknown, AuthError> = Schedule.exponential("200 millis").pipe(
  Schedule.jittered,
  Schedule.setInputType<AuthError>(),
  Schedule.upTo({ times: 4, duration: "8 seconds" }),
  Schedule.modifyDelay(({ input, duration }) =>
    Effect.succeed(Duration.max(duration, retryAfter(input)))
  )
)

const retryAfter = ({ reason }: AuthError): Duration.Duration =>
  reason._tag === "TokenEndpointUnavailable" ? Duration.millis(reason.retryAfterMillis ?? 0) : Duration.zero
