/**
 * A clock that runs fast, so that people can watch an hour go by. Whatever waits for something real, such as an answer
 * from the network, has to be given that many times as long.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** The clock that is there, so many times as fast from now on. */
export const layer = (speed: number): Layer.Layer<never> =>
  Layer.effect(
    Clock.Clock,
    Effect.map(Clock.Clock, (clock): Clock.Clock => {
      const began = clock.currentTimeMillisUnsafe()
      const millis = () => Math.round(began + (clock.currentTimeMillisUnsafe() - began) * speed)
      const nanos = () => BigInt(millis()) * 1_000_000n
      return {
        currentTimeMillisUnsafe: millis,
        currentTimeMillis: Effect.sync(millis),
        currentTimeNanosUnsafe: nanos,
        currentTimeNanos: Effect.sync(nanos),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() * BigInt(Math.round(speed)),
        monotonicTimeNanos: Effect.sync(() => clock.monotonicTimeNanosUnsafe() * BigInt(Math.round(speed))),
        sleep: (duration) => clock.sleep(Duration.times(duration, 1 / speed))
      }
    })
  )
