import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { bearer, credentialOf, makeCache, policy, token } from "../support/tokens.ts"

const a = credentialOf("team-a")
const fork = Effect.forkChild({ startImmediately: true })

// The second answer never comes: whoever needs it waits.
const once = (lifetime: Duration.Input, delay: Duration.Input = 0) =>
  makeCache((_, count) => (count === 1 ? Effect.delay(Effect.succeed(token("t1", lifetime)), delay) : Effect.never))

describe("a token that ends", () => {
  it.effect.each([
    ["an hour", 3600, 3560],
    ["100 seconds", 100, 60],
    ["81 seconds", 81, 41],
    ["79 seconds, which is less than twice the buffer,", 79, 40],
    ["41 seconds", 41, 40],
    ["40 seconds, which is the buffer,", 40, 40],
    ["5 seconds", 5, 5]
  ] as const)("after %s is used for as long as is safe, and no longer", ([, lifetime, usable]) =>
    Effect.gen(function* () {
      const cache = yield* once(lifetime * 1000)
      yield* cache.get(a)
      yield* TestClock.adjust(usable * 1000 - 1)
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      yield* TestClock.adjust(1)
      const waiting = yield* fork(cache.get(a))
      yield* TestClock.adjust(0)
      assert.isUndefined(waiting.pollUnsafe())
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("began to end when it was asked for, not when it came", () =>
    Effect.gen(function* () {
      const cache = yield* once("100 seconds", "20 seconds")
      const first = yield* fork(cache.get(a))
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(first)
      yield* TestClock.adjust("39999 millis")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      yield* TestClock.adjust(1)
      const waiting = yield* fork(cache.get(a))
      yield* TestClock.adjust(0)
      assert.isUndefined(waiting.pollUnsafe())
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("keeps another distance from its end where the operator wants that", () =>
    Effect.gen(function* () {
      const cache = yield* once("100 seconds")
      yield* cache.get(a)
      yield* TestClock.adjust("89999 millis")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      yield* TestClock.adjust(1)
      const waiting = yield* fork(cache.get(a))
      yield* TestClock.adjust(0)
      assert.isUndefined(waiting.pollUnsafe())
    }).pipe(Effect.provide([TokenEntries.layer, policy({ expiryBuffer: Duration.seconds(10) })]))
  )
})
