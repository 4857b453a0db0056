/**
 * What a failure means for a call: whether it may pass, and how it is ridden out.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Call from "./Call.ts"
import type { Failure } from "./ConnectorError.ts"

/**
 * Whether the same call may succeed later with nothing changed. That the time was up says nothing final, nor does a
 * connector that ends: the next call reaches another one.
 */
export const isTransient = (failure: Failure): boolean =>
  failure.reason._tag === "DeadlinePassed" ||
  failure.reason._tag === "AuthClosed" ||
  failure.reason._tag === "Overloaded" ||
  failure.reason._tag === "AuditUnavailable" ||
  ("retryable" in failure && failure.retryable)

const retryAfter = (failure: Failure): Duration.Duration =>
  Duration.millis("retryAfterMillis" in failure ? failure.retryAfterMillis : 0)

/**
 * When what failed is tried again. Jitter keeps many runs from coming back at once, and `Retry-After` is obeyed.
 */
export const BackOff = Context.Reference<Schedule.Schedule<unknown, Failure>>("@flyte-databricks/connector/BackOff", {
  defaultValue: () => backOffByDefault
})

const backOffByDefault: Schedule.Schedule<unknown, Failure> = Schedule.exponential("250 millis").pipe(
  Schedule.jittered,
  Schedule.setInputType<Failure>(),
  Schedule.modifyDelay(({ input, duration }) =>
    Effect.succeed(Duration.max(Duration.min(duration, Duration.seconds(2)), retryAfter(input)))
  )
)

/**
 * Whether a submit that failed so may have been taken all the same: its answer was lost or cut off, or speaks of a server
 * that failed on the way. Of the others 503 alone says that nothing was done.
 */
export const leavesDoubt = ({ reason }: Failure): boolean => {
  if (reason._tag === "ResponseInvalid") return reason.status === 200
  if (reason._tag !== "JobsUnavailable") return false
  const { answerLost, status = 0 } = reason
  return answerLost === true || (status >= 500 && status !== 503)
}

/** A moment in milliseconds, or one that may change with what is learnt on the way. */
type Until = number | (() => number)

const millisOf = (until: Until): number => (typeof until === "number" ? until : until())

/**
 * Tries again what may pass, as long as a try can begin before the given moment; then fails as the last try did.
 */
export const rideOut = (until: Until) => retrying(until, () => Infinity)

/**
 * As `rideOut`, and to the last: where it should wait for longer than there is time, it tries once more shortly before
 * the end. What fails at once Flyte asks for again at once, and it has only so many attempts.
 */
export const holdOut = (until: Until) =>
  retrying(until, ({ start, now }) => {
    // Its answer takes a moment too: a second, or a tenth of what there was after the first try where that is less.
    const end = millisOf(until)
    const left = end - Math.min(1000, (end - start) / 10) - now
    return left > 0 ? left : Infinity
  })

const retrying =
  (until: Until, longestWait: (times: { readonly start: number; readonly now: number }) => number) =>
  <A, E extends Failure, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const tried = Effect.tapError(call, ({ message }) => Call.setback(message))
    // Most calls fail at no time: a schedule is made for those that do.
    const again = (first: E) =>
      Effect.flatMap(BackOff, (backOff) => {
        let isFirst = true
        const next = Effect.suspend(() => {
          if (!isFirst) return tried
          isFirst = false
          return Effect.fail(first)
        })
        return Effect.retry(next, {
          while: isTransient,
          schedule: backOff.pipe(
            Schedule.modifyDelay(({ duration, ...times }) =>
              Effect.succeed(Duration.min(duration, Duration.millis(longestWait(times))))
            ),
            Schedule.while(({ now, duration }) => now + Duration.toMillis(duration) < millisOf(until))
          )
        })
      })
    return tried.pipe(Effect.catch(again))
  }

/**
 * Asks again, after a moment, where the workspace says that it does not know a run: one that fails over says so for a
 * moment.
 */
export const askAgainIfGone = <A, E extends Failure, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.catchIf(
    call,
    ({ reason }) => reason._tag === "RunNotFound",
    () => Effect.delay(call, "2 seconds")
  )
