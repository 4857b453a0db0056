import { AuthError } from "@flyte-databricks/databricks-auth"
import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Cause, Effect, Exit, Fiber, Redacted, Result, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { bearer, credentialOf, makeCache, outage, token } from "../support/tokens.ts"

const a = credentialOf("team-a")
const b = credentialOf("team-b")
const fork = Effect.forkChild({ startImmediately: true })
const numbered = (_: unknown, count: number) => Effect.succeed(token(`t${count}`))

describe("callers who want one token at once", () => {
  it.effect.prop(
    "share one request, and its answer",
    { callers: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 })) },
    ({ callers }) =>
      Effect.gen(function* () {
        const cache = yield* makeCache((_, count) => Effect.delay(Effect.succeed(token(`t${count}`)), "1 second"))
        const fibers = yield* Effect.forEach(Array.from({ length: callers }), () => fork(cache.get(a)))
        yield* TestClock.adjust("1 second")
        const headers = yield* Effect.forEach(fibers, Fiber.join)
        assert.deepStrictEqual(new Set(headers.map(bearer)), new Set(["Bearer t1"]))
        assert.lengthOf(yield* cache.asked, 1)
      }).pipe(Effect.scoped, Effect.provide(TokenEntries.layer))
  )

  it.effect("hear of its failure together", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(() => Effect.delay(Effect.fail(outage), "1 second"))
      const fibers = yield* Effect.forEach([1, 2, 3], () => fork(cache.get(a)))
      yield* TestClock.adjust("1 second")
      for (const fiber of fibers) assertEquals(yield* Effect.flip(Fiber.join(fiber)), outage)
      assert.lengthOf(yield* cache.asked, 1)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("of two identities do not", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(({ credential }) => Effect.succeed(token(credential.identity.key)))
      const [ofA, ofB] = yield* Effect.all([cache.get(a), cache.get(b)], { concurrency: 2 })
      assert.notStrictEqual(bearer(ofA), bearer(ofB))
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("of one identity that was built twice do", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      assert.strictEqual(yield* cache.get(credentialOf("team-a")), yield* cache.get(credentialOf("team-a")))
    }).pipe(Effect.provide(TokenEntries.layer))
  )
})

describe("a caller that goes away", () => {
  it.effect.each([
    ["the first", 0],
    ["one in between", 1],
    ["the last", 2]
  ] as const)("%s: neither fails nor restarts the request for the others", ([, index]) =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.delay(Effect.succeed(token(`t${count}`)), "1 second"))
      const fibers = yield* Effect.forEach([1, 2, 3], () => fork(cache.get(a)))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(fibers[index]!)
      yield* TestClock.adjust("500 millis")
      for (const [i, fiber] of fibers.entries()) {
        const exit = yield* Fiber.await(fiber)
        if (i === index) assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        else assert.strictEqual(Exit.isSuccess(exit) && bearer(exit.value), "Bearer t1")
      }
      assert.lengthOf(yield* cache.asked, 1)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("the only one: is gone at once, and the next finds the token", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.delay(Effect.succeed(token(`t${count}`)), "1 second"))
      const only = yield* fork(cache.get(a))
      yield* Fiber.interrupt(only)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      assert.lengthOf(yield* cache.asked, 1)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("before its request has begun: loses nothing for the next", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      const only = yield* Effect.forkChild(cache.get(a))
      yield* Fiber.interrupt(only)
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("at its deadline: hears in time, and the token comes for the next", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.delay(Effect.succeed(token(`t${count}`)), "10 seconds"))
      const late = yield* fork(Effect.result(Effect.timeout(cache.get(a), "3 seconds")))
      yield* TestClock.adjust("3 seconds")
      const result = yield* Fiber.join(late)
      assert.strictEqual(Result.isFailure(result) && result.failure._tag, "TimeoutError")
      yield* TestClock.adjust("7 seconds")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      assert.lengthOf(yield* cache.asked, 1)
    }).pipe(Effect.provide(TokenEntries.layer))
  )
})

describe("a token that is there", () => {
  it.effect("is returned at once: the effect is its own outcome", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      yield* cache.get(a)
      const hit = cache.get(a)
      assert.isTrue(Exit.isExit(hit))
      assert.strictEqual(bearer(Effect.runSync(hit)), "Bearer t1")
      assert.lengthOf(yield* cache.asked, 1)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("does not show itself, nor does the state of the cache", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(() => Effect.succeed(token("hunter2", "1 hour", "hunter3")))
      const stored = credentialOf("team-a", "hunter4")
      const header = yield* cache.get(stored)
      const state = TokenEntries.all(yield* TokenEntries.TokenEntries)
      for (const shown of [header, state, stored, cache, yield* cache.status]) {
        for (const text of [String(shown), JSON.stringify(shown), inspect(shown, { depth: null, showHidden: true })]) {
          assert.notMatch(text, /hunter/)
        }
      }
    }).pipe(Effect.provide(TokenEntries.layer))
  )
})

describe("a cache whose scope closes", () => {
  const closed = new AuthError.AuthError({ reason: new AuthError.AuthClosed() })

  it.effect.each([
    ["at once", false],
    ["after the request went out", true]
  ] as const)("%s, while callers wait: lets them go, and stops the request", ([, begun]) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      let stopped = false
      const cache = yield* makeCache(() =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => (stopped = true)))
      ).pipe(Scope.provide(scope))
      const waiting = yield* fork(cache.get(a))
      if (begun) yield* TestClock.adjust("1 second")
      const hadBegun = (yield* cache.asked).length > 0
      yield* Scope.close(scope, Exit.void)
      assertEquals(yield* Effect.flip(Fiber.join(waiting)), closed)
      assert.strictEqual(stopped, hadBegun)
      assert.deepStrictEqual(
        (yield* cache.status).map(({ state }) => state),
        ["empty"]
      )
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("stops the second request too, that follows one whose token was outdated", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      let stopped = false
      const cache = yield* makeCache((_, count) =>
        count === 1
          ? Effect.delay(Effect.succeed(token("t1")), "1 second")
          : Effect.onInterrupt(Effect.never, () => Effect.sync(() => (stopped = true)))
      ).pipe(Scope.provide(scope))
      const waiting = yield* fork(cache.get(a))
      yield* cache.retire(a, Redacted.make("s2"))
      yield* TestClock.adjust("1 second")
      assert.lengthOf(yield* cache.asked, 2)
      yield* Scope.close(scope, Exit.void)
      assertEquals(yield* Effect.flip(Fiber.join(waiting)), closed)
      assert.isTrue(stopped)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("tells who comes after that, also of a token that it had, and asks for none", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const cache = yield* Scope.provide(makeCache(numbered), scope)
      yield* cache.get(a)
      yield* Scope.close(scope, Exit.void)
      for (const credential of [a, b, a]) {
        const error = yield* Effect.flip(cache.get(credential))
        assertEquals(error, closed)
        assert.isFalse(error.retryable)
        assert.include(error.message, "the scope of its layer has ended")
      }
      assert.lengthOf(yield* cache.asked, 1)
    }).pipe(Effect.provide(TokenEntries.layer))
  )
})
