/**
 * The header `Retry-After` (RFC 9110 §10.2.3), in seconds or as a date.
 */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Headers from "effect/http/Headers"

/**
 * How long it asks to wait, in milliseconds; `undefined` if the header is absent or malformed. An absent one is not
 * parsed: a failed parse captures a stack trace, which costs.
 */
export const millis = (header: string | undefined, now: number): number | undefined => {
  if (header === undefined) return undefined
  const parsed = Headers.parseRetryAfter(header)
  return Result.isFailure(parsed) ? undefined : Duration.toMillis(Headers.retryAfterDelay(parsed.success, now))
}
