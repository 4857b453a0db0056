import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Random, Schema } from "effect"
import { type Answer, answer, silence } from "../support/http.ts"
import { granted, timed, unavailable } from "./Ask.ts"

describe("a try that may go better the next time, by the default policy,", () => {
  /** No luck: jitter adds nothing and takes nothing. */
  const middling = Layer.succeed(Random.Random, { nextDoubleUnsafe: () => 0.5, nextIntUnsafe: () => 0 })

  it.effect("is repeated at most four times, each after twice the time, at most a second", () =>
    Effect.gen(function* () {
      const { exit, instants } = yield* timed(middling, answer(503))
      assert.deepStrictEqual(instants, [0, 200, 600, 1400, 2400])
      assert.strictEqual(unavailable(exit).attempts, 5)
    })
  )

  it.effect.prop(
    "is spread by at most a fifth, so that not all come back at once",
    { luck: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.999 })) },
    ({ luck }) =>
      Effect.gen(function* () {
        const random = Layer.succeed(Random.Random, { nextDoubleUnsafe: () => luck, nextIntUnsafe: () => 0 })
        const { instants } = yield* timed(random, answer(503))
        const delays = instants.slice(1).map((instant, i) => instant - instants[i]!)
        assert.lengthOf(delays, 4)
        for (const [i, delay] of delays.entries()) {
          const middle = Math.min(1000, 200 * 2 ** i)
          assert.isAtLeast(delay, 0.8 * middle - 1)
          assert.isAtMost(delay, 1.2 * middle + 1)
        }
      }),
    { arbitrary: { runs: 30 } }
  )

  it.effect.each([3, 8])("waits as long as Retry-After says, in seconds: %i", (seconds) =>
    Effect.gen(function* () {
      const { exit, instants } = yield* timed(middling, answer(429, "", { "retry-after": `${seconds}` }), granted)
      assert.deepStrictEqual(instants, [0, seconds * 1000])
      assert.isTrue(Exit.isSuccess(exit))
    })
  )

  it.effect("waits as long as Retry-After says, as a date", () =>
    Effect.gen(function* () {
      const { instants } = yield* timed(
        middling,
        answer(503, "", { "retry-after": "Thu, 01 Jan 1970 00:00:08 GMT" }),
        granted
      )
      assert.deepStrictEqual(instants, [0, 8000])
    })
  )

  it.effect("waits for less the more time is gone", () =>
    Effect.gen(function* () {
      const slow = (request: Parameters<Answer>[0]) =>
        Effect.delay(answer(503, "", { "retry-after": "6" })(request), "3 seconds")
      const { exit, instants, at } = yield* timed(middling, slow, granted)
      assert.deepStrictEqual(instants, [0])
      assert.strictEqual(at, 3000)
      assert.include(unavailable(exit).message, "It asks for 6 s before the next try, and there were 5.5 s left.")
    })
  )

  it.effect.each(["0", "-5", "soon", "", "Thu, 01 Jan 1960 00:00:00 GMT", "1e3", "NaN"])(
    "keeps to its own delays where Retry-After is %j",
    (header) =>
      Effect.gen(function* () {
        const { instants } = yield* timed(middling, answer(503, "", { "retry-after": header }), granted)
        assert.deepStrictEqual(instants, [0, 200])
      })
  )

  it.effect.each(["9", "20", "86400", "999999999", "Thu, 01 Jan 1970 00:00:09 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"])(
    "does not wait for a Retry-After of %s, which is past the caller's deadline: the caller hears of it at once",
    (header) =>
      Effect.gen(function* () {
        const { exit, instants, at } = yield* timed(middling, answer(429, "", { "retry-after": header }), granted)
        assert.deepStrictEqual(instants, [0])
        assert.isBelow(at, 1000)
        const { detail, retryAfterMillis, message } = unavailable(exit)
        assert.strictEqual(detail, "status 429")
        assert.isAtLeast(retryAfterMillis!, 9000)
        assert.match(
          message,
          /was tried once .* status 429\. It asks for \d+ s before the next try, and there were 8\.5 s left\./
        )
      })
  )

  it.effect.each([
    [
      "that answers after one second",
      (request: Parameters<Answer>[0]) => Effect.delay(answer(503)(request), "1 second")
    ],
    ["that asks for three seconds each time", answer(503, "", { "retry-after": "3" })]
  ] as const)("ends within Flyte's ten seconds at an endpoint %s, so that the caller hears why", ([, given]) =>
    Effect.gen(function* () {
      const { exit, at } = yield* timed(middling, given)
      assert.isBelow(at, 10_000)
      assert.isAtLeast(unavailable(exit).attempts, 2)
    })
  )

  it.effect("takes its time while it is under way, for those who ask next", () =>
    Effect.gen(function* () {
      const { exit, at } = yield* timed(middling, (request) => Effect.delay(granted(request), "14 seconds"), silence)
      assert.strictEqual(at, 14_000)
      assert.isTrue(Exit.isSuccess(exit))
    })
  )
})
