import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Exit, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import * as Call from "../../src/call/Call.ts"
import { ConnectorError, MetricsUnavailable } from "../../src/call/ConnectorError.ts"
import { hedged } from "../../src/call/hedged.ts"

const refused = new ConnectorError({ reason: new MetricsUnavailable() })

/** Asks within a call of ten seconds; the nth request takes so many seconds, and fails where they are negative. */
const asking = Effect.fnUntraced(function* (...seconds: ReadonlyArray<number>) {
  const log = { asked: 0, interrupted: 0 }
  const ask = Effect.suspend(() => {
    const request = log.asked++
    const takes = seconds[request] ?? 0
    return Effect.sleep(Math.abs(takes) * 1000).pipe(
      Effect.andThen(() => (takes < 0 ? Effect.fail(refused) : Effect.succeed(request))),
      Effect.onInterrupt(() => Effect.sync(() => log.interrupted++))
    )
  })
  const call = yield* Effect.forkChild(Call.run("GetTask", Option.some(10_000), hedged(ask)), {
    startImmediately: true
  })
  return { call, log }
})

describe("what may be asked more than once", () => {
  it.effect("is asked once where the answer comes in half of the time", () =>
    Effect.gen(function* () {
      const { call, log } = yield* asking(4.7)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(call), 0)
      assert.deepStrictEqual(log, { asked: 1, interrupted: 0 })
    })
  )

  it.effect("is asked again beside the first, whose answer counts when it comes first", () =>
    Effect.gen(function* () {
      const { call, log } = yield* asking(9, 9)
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* Fiber.join(call), 0)
      assert.deepStrictEqual(log, { asked: 2, interrupted: 1 })
    })
  )

  it.effect("has the second answer where the first is lost", () =>
    Effect.gen(function* () {
      const { call, log } = yield* asking(3600, 1)
      yield* TestClock.adjust("5750 millis")
      assert.strictEqual(yield* Fiber.join(call), 1)
      assert.deepStrictEqual(log, { asked: 2, interrupted: 1 })
    })
  )

  it.effect("is not asked again once it is given up, however long it takes to end", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(0)
      let asked = 0
      const ask = Effect.suspend(() => {
        asked += 1
        return Effect.onInterrupt(Effect.never, () => Effect.sleep("8 seconds"))
      })
      const call = yield* Effect.forkChild(Call.run("GetTask", Option.some(10_000), hedged(ask)), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      yield* Effect.forkChild(Fiber.interrupt(call), { startImmediately: true })
      yield* TestClock.adjust("20 seconds")
      assert.isDefined(call.pollUnsafe())
      assert.strictEqual(asked, 1)
    })
  )

  it.effect("has failed when the first has, where there was no second", () =>
    Effect.gen(function* () {
      const { call, log } = yield* asking(-1)
      yield* TestClock.adjust("1 second")
      assertEquals(yield* Fiber.await(call), Exit.fail(refused))
      assert.strictEqual(log.asked, 1)
    })
  )

  it.effect("goes on where one of the two has failed", () =>
    Effect.gen(function* () {
      const { call } = yield* asking(8, -1)
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(yield* Fiber.join(call), 0)
    })
  )

  it.effect("has failed where both have", () =>
    Effect.gen(function* () {
      const { call } = yield* asking(-6, -1)
      yield* TestClock.adjust("6 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.await(call)))
    })
  )

  it.effect("is let go when the call is over", () =>
    Effect.gen(function* () {
      const { call, log } = yield* asking(3600, 3600)
      yield* TestClock.adjust("9500 millis")
      assert.isTrue(Exit.isFailure(yield* Fiber.await(call)))
      assert.deepStrictEqual(log, { asked: 2, interrupted: 2 })
    })
  )
})
