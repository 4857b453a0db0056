import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Clock, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as FastClock from "../src/FastClock.ts"

const fast = Effect.map(
  Layer.build(FastClock.layer(60)),
  (clock) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.provide(effect, clock)
)

describe("a fast clock", () => {
  it.effect("goes on from now, so many times as fast", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const onFast = yield* fast
      assertEquals(yield* onFast(Clock.currentTimeMillis), 1_000_000)
      yield* TestClock.adjust("1 second")
      assertEquals(yield* onFast(Clock.currentTimeMillis), 1_000_000 + Duration.toMillis("1 minute"))
      assertEquals(yield* onFast(Clock.currentTimeNanos), BigInt(1_060_000) * 1_000_000n)
    })
  )

  it.effect("ends a sleep when its own time has come", () =>
    Effect.gen(function* () {
      const onFast = yield* fast
      const sleeper = yield* onFast(Effect.sleep("1 hour")).pipe(Effect.forkChild)
      yield* TestClock.adjust("59 seconds")
      assertEquals(sleeper.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(sleeper)
    })
  )

  it.effect("measures on the clock that it tells", () =>
    Effect.gen(function* () {
      const onFast = yield* fast
      const before = yield* onFast(Clock.monotonicTimeNanos)
      yield* TestClock.adjust("2 seconds")
      assertEquals((yield* onFast(Clock.monotonicTimeNanos)) - before, 120_000_000_000n)
    })
  )
})
