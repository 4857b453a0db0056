import { type Credential } from "@flyte-databricks/databricks-auth"
import type * as TokenCache from "@flyte-databricks/databricks-auth/tokens/TokenCache"
import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { bearer, credentialOf, makeCache, policy, refusal, token } from "../support/tokens.ts"

const a = credentialOf("team-a")
const b = credentialOf("team-b")
const fork = Effect.forkChild({ startImmediately: true })
const numbered = (_: unknown, count: number) => Effect.succeed(token(`t${count}`))

const bounded = (capacity: number) => Layer.merge(TokenEntries.layer, policy({ capacity }))
const size = Effect.map(TokenEntries.TokenEntries, (entries) => {
  const { length } = TokenEntries.all(entries)
  assert.strictEqual(TokenEntries.size(entries), length)
  return length
})
/** Gets tokens one a second, so that it is known which was used last. */
const getEach = (cache: TokenCache.TokenCache, credentials: ReadonlyArray<Credential.Credential>) =>
  Effect.forEach(credentials, (credential) =>
    Effect.andThen(TestClock.adjust("1 second"), Effect.map(cache.get(credential), bearer))
  )

describe("the number of tokens", () => {
  it.effect("is bounded, those that job metadata stores included", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      for (let i = 0; i < 50; i++) {
        yield* cache.get(credentialOf(`team-${i}`, i % 2 === 0 ? "dapi" : undefined))
        assert.isAtMost(yield* size, 3)
      }
    }).pipe(Effect.provide(bounded(3)))
  )

  it.effect("does not grow by what is there already", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      yield* cache.get(a)
      yield* cache.invalidate(b, yield* cache.get(b))
      yield* cache.get(b)
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
    }).pipe(Effect.provide(bounded(2)))
  )

  it.effect("is kept by dropping the one that was used least recently", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      const [one, two, three, four] = ["one", "two", "three", "four"].map((name) => credentialOf(name)) as [
        Credential.Credential,
        Credential.Credential,
        Credential.Credential,
        Credential.Credential
      ]
      assert.deepStrictEqual(yield* getEach(cache, [one, two, three, one, four, one, three]), [
        "Bearer t1",
        "Bearer t2",
        "Bearer t3",
        "Bearer t1",
        "Bearer t4",
        "Bearer t1",
        "Bearer t3"
      ])
      assert.deepStrictEqual(yield* getEach(cache, [two]), ["Bearer t5"])
    }).pipe(Effect.provide(bounded(3)))
  )

  it.effect("counts a failure as used when it is heard, and lets it go like a token", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(({ credential }, count) =>
        credential.identity.key === a.identity.key ? Effect.fail(refusal) : Effect.succeed(token(`t${count}`))
      )
      yield* Effect.flip(cache.get(a))
      yield* getEach(cache, [b, credentialOf("team-c")])
      yield* Effect.flip(cache.get(a))
      assert.lengthOf(yield* cache.asked, 4)
    }).pipe(Effect.provide(bounded(2)))
  )

  it.effect("that was exceeded is reached again by dropping as many as it takes, least recently used first", () =>
    Effect.gen(function* () {
      const c = credentialOf("team-c")
      const cache = yield* makeCache((_, count) => Effect.delay(Effect.succeed(token(`t${count}`)), "1 second"))
      const fibers = yield* Effect.forEach([a, b, c], (credential) => fork(cache.get(credential)))
      yield* TestClock.adjust("1 second")
      yield* Effect.forEach(fibers, Fiber.join)
      assert.strictEqual(yield* size, 3)
      assert.deepStrictEqual(yield* getEach(cache, [b, c, a]), ["Bearer t2", "Bearer t3", "Bearer t1"])
      yield* fork(cache.get(credentialOf("team-d")))
      assert.strictEqual(yield* size, 2)
      assert.deepStrictEqual(yield* getEach(cache, [a]), ["Bearer t1"])
    }).pipe(Effect.provide(bounded(2)))
  )

  it.effect("is no reason to ask twice for a token that is on its way", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.delay(Effect.succeed(token(`t${count}`)), "1 second"))
      const fibers = yield* Effect.forEach([a, b, a, b], (credential) => fork(cache.get(credential)))
      assert.strictEqual(yield* size, 2)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* Effect.forEach(fibers, Fiber.join)).map(bearer), [
        "Bearer t1",
        "Bearer t2",
        "Bearer t1",
        "Bearer t2"
      ])
      assert.lengthOf(yield* cache.asked, 2)
      // Once they have come there is room for one again.
      yield* fork(cache.get(credentialOf("team-c")))
      assert.strictEqual(yield* size, 1)
    }).pipe(Effect.provide(bounded(1)))
  )
})

describe("the weight of tokens", () => {
  it.effect("counts them once they are there, and not twice", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(() => Effect.succeed(token("12345", "1 hour", "123")))
      const entries = yield* TokenEntries.TokenEntries
      yield* cache.get(a)
      const key = a.identity.key.length
      assert.strictEqual(entries.weight, key + "Bearer 12345".length + 3)
      yield* cache.invalidate(a, yield* cache.get(a))
      yield* cache.get(a)
      assert.strictEqual(entries.weight, key + "Bearer 12345".length + 3)
    }).pipe(Effect.provide(TokenEntries.layer))
  )
})

describe("a token that nobody asks for", () => {
  it.effect("is forgotten by a look-up after an hour or little more, and is not renewed before", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(() => Effect.succeed(token("t1", "3 hours")))
      yield* getEach(cache, [a])
      yield* TestClock.adjust("59 minutes")
      yield* getEach(cache, [b])
      assert.strictEqual(yield* size, 2)
      yield* TestClock.adjust("16 minutes")
      yield* getEach(cache, [credentialOf("team-c")])
      assert.strictEqual(yield* size, 2)
      assert.lengthOf(yield* cache.asked, 3)
      yield* getEach(cache, [b, a])
      assert.lengthOf(yield* cache.asked, 4)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("is not what keeps a process alive: the cache has no timer", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let timers = 0
      const counting: Clock.Clock = {
        ...clock,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
        sleep: (duration) => Effect.suspend(() => ((timers += 1), clock.sleep(duration)))
      }
      yield* Effect.gen(function* () {
        const cache = yield* makeCache(numbered)
        yield* getEach(cache, [a, b])
        yield* Effect.yieldNow
      }).pipe(Effect.provideService(Clock.Clock, counting))
      assert.strictEqual(timers, 0)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("stays when somebody asks in between", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(() => Effect.succeed(token("t1", "12 hours")))
      yield* cache.get(a)
      for (let i = 0; i < 4; i++) {
        yield* TestClock.adjust("50 minutes")
        yield* cache.get(a)
      }
      assert.lengthOf(yield* cache.asked, 1)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("is not forgotten while its successor is on the way", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.delay(Effect.succeed(token(`t${count}`)), "3 hours"))
      const waiting = yield* fork(cache.get(a))
      yield* TestClock.adjust("2 hours")
      const other = yield* fork(cache.get(a))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Fiber.join(waiting), yield* Fiber.join(other))
      assert.lengthOf(yield* cache.asked, 1)
    }).pipe(Effect.provide(TokenEntries.layer))
  )
})
