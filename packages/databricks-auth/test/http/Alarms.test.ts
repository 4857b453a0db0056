/** Alarms ring when they are set for, whatever else is set and turned off, and one fiber sleeps for all. */
import { describe, it } from "@effect/vitest"
import { assertEquals, assertTrue } from "@effect/vitest/utils"
import { Arbitrary, Clock, Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Alarms from "../../src/http/Alarms.ts"

/** The clock of a test, which counts who sleeps. */
const counting = Effect.map(Clock.Clock, (clock) => {
  const sleeping = { now: 0, ever: 0 }
  const sleep = (duration: Parameters<Clock.Clock["sleep"]>[0]) =>
    Effect.suspend(() => {
      sleeping.now += 1
      sleeping.ever += 1
      return Effect.onExit(clock.sleep(duration), () => Effect.sync(() => (sleeping.now -= 1)))
    })
  return { sleeping, clock: { ...clock, sleep } }
})

const set = (millis: number, ring: () => void) =>
  Effect.withFiber((fiber) => Effect.sync(() => Alarms.set(fiber, millis, ring)))

const millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 50 }))
const Set = Schema.Struct({
  /** After the one before. */
  after: millis,
  rings: millis,
  /** After it was set; not at all where it is later than it rings. */
  off: millis
})

describe("an alarm", () => {
  it.effect.prop(
    "rings once, at its time, unless it was turned off before",
    { all: Arbitrary.array(Arbitrary.schema(Set), { minLength: 1, maxLength: 12 }) },
    ({ all }) =>
      Effect.gen(function* () {
        const { clock, sleeping } = yield* counting
        const start = clock.currentTimeMillisUnsafe()
        const rung: Array<readonly [alarm: number, at: number]> = []
        const expected: Array<readonly [alarm: number, at: number]> = []
        let now = 0
        for (const [index, { after, rings, off }] of all.entries()) {
          yield* TestClock.adjust(after)
          now += after
          const turnOff = yield* set(rings, () => rung.push([index, clock.currentTimeMillisUnsafe() - start])).pipe(
            Effect.provideService(Clock.Clock, clock)
          )
          if (off >= rings) expected.push([index, now + rings])
          else yield* Effect.forkChild(Effect.delay(Effect.sync(turnOff), off), { startImmediately: true })
          assertTrue(sleeping.now <= 1)
        }
        yield* TestClock.adjust(100)
        const byTime = (all: typeof rung) => all.toSorted(([a, one], [b, other]) => one - other || a - b)
        assertEquals(byTime(rung), byTime(expected))
        assertEquals(sleeping.now, 0)
      }),
    { arbitrary: { runs: 200 } }
  )

  it.effect("costs no sleeper of its own where another one rings before", () =>
    Effect.gen(function* () {
      const { clock, sleeping } = yield* counting
      const off: Array<() => void> = []
      for (let n = 0; n < 100; n++) {
        off.push(yield* set(1000 + n, () => undefined).pipe(Effect.provideService(Clock.Clock, clock)))
      }
      assertEquals(sleeping, { now: 1, ever: 1 })
      off.forEach((turnOff) => turnOff())
      yield* Effect.yieldNow
      assertEquals(sleeping.now, 0)
    })
  )

  it.effect("may turn off one that is due with it, and set another", () =>
    Effect.gen(function* () {
      const { clock } = yield* counting
      let rung = 0
      const turnOff: Array<() => void> = []
      yield* Effect.withFiber((fiber) =>
        Effect.sync(() => {
          Alarms.set(fiber, 10, () => {
            turnOff[0]?.()
            Alarms.set(fiber, 5, () => (rung += 100))
          })
          turnOff.push(Alarms.set(fiber, 10, () => (rung += 1)))
          Alarms.set(fiber, 10, () => (rung += 10))
        })
      ).pipe(Effect.provideService(Clock.Clock, clock))
      yield* TestClock.adjust(10)
      assertEquals(rung, 10)
      yield* TestClock.adjust(5)
      assertEquals(rung, 110)
    })
  )
})
