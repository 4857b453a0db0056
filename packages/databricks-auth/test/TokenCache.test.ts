import { TokenCache } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Cause, Deferred, Effect, Exit, Fiber, HashMap, Layer, Redacted, Ref, Result, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { bearer, credentialOf, makeCache, outage, token } from "./support/tokens.ts"

const a = credentialOf("team-a")
const b = credentialOf("team-b")
const entries = TokenCache.layerEntries
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
      }).pipe(Effect.scoped, Effect.provide(entries))
  )

  it.effect("hear of its failure together", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(() => Effect.delay(Effect.fail(outage), "1 second"))
      const fibers = yield* Effect.forEach([1, 2, 3], () => fork(cache.get(a)))
      yield* TestClock.adjust("1 second")
      for (const fiber of fibers) assertEquals(yield* Effect.flip(Fiber.join(fiber)), outage)
      assert.lengthOf(yield* cache.asked, 1)
    }).pipe(Effect.provide(entries))
  )

  it.effect("of two identities do not", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(({ credential }) => Effect.succeed(token(credential.identity.key)))
      const [ofA, ofB] = yield* Effect.all([cache.get(a), cache.get(b)], { concurrency: 2 })
      assert.notStrictEqual(bearer(ofA), bearer(ofB))
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(entries))
  )

  it.effect("of one identity that was built twice do", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      assert.strictEqual(yield* cache.get(credentialOf("team-a")), yield* cache.get(credentialOf("team-a")))
    }).pipe(Effect.provide(entries))
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
    }).pipe(Effect.provide(entries))
  )

  it.effect("the only one: is gone at once, and the next finds the token", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.delay(Effect.succeed(token(`t${count}`)), "1 second"))
      const only = yield* fork(cache.get(a))
      yield* Fiber.interrupt(only)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      assert.lengthOf(yield* cache.asked, 1)
    }).pipe(Effect.provide(entries))
  )

  it.effect("before its request has begun: loses nothing for the next", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      const only = yield* Effect.forkChild(cache.get(a))
      yield* Fiber.interrupt(only)
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
    }).pipe(Effect.provide(entries))
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
    }).pipe(Effect.provide(entries))
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
    }).pipe(Effect.provide(entries))
  )

  it.effect("does not show itself, nor does the state of the cache", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(() => Effect.succeed(token("hunter2", "1 hour", "hunter3")))
      const stored = credentialOf("team-a", "hunter4")
      const header = yield* cache.get(stored)
      const state = yield* Ref.get(yield* TokenCache.TokenEntries)
      for (const shown of [header, [...state], stored, cache]) {
        for (const text of [String(shown), JSON.stringify(shown), inspect(shown, { depth: null, showHidden: true })]) {
          assert.notMatch(text, /hunter/)
        }
      }
    }).pipe(Effect.provide(entries))
  )
})

describe("a token that ends", () => {
  it.effect.each([
    ["an hour", 3600, 3560],
    ["41 seconds", 41, 1],
    ["40 seconds, which is the buffer,", 40, 40],
    ["5 seconds", 5, 5]
  ] as const)("after %s is used for as long as is safe, and no longer", ([, lifetime, usable]) =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.succeed(token(`t${count}`, lifetime * 1000)))
      yield* cache.get(a)
      yield* TestClock.adjust(usable * 1000 - 1)
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      yield* TestClock.adjust(1)
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(entries))
  )

  it.effect("began to end when it was asked for, not when it came", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        Effect.delay(Effect.succeed(token(`t${count}`, "100 seconds")), "20 seconds")
      )
      const first = yield* fork(cache.get(a))
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(first)
      yield* TestClock.adjust("39 seconds")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      yield* TestClock.adjust("1 second")
      yield* fork(cache.get(a))
      yield* TestClock.adjust(0)
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(entries))
  )

  it.effect("keeps another distance from its end where the operator wants that", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.succeed(token(`t${count}`, "100 seconds")))
      yield* cache.get(a)
      yield* TestClock.adjust("89 seconds")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
    }).pipe(Effect.provide(entries), Effect.provideService(TokenCache.ExpiryBuffer, "10 seconds"))
  )
})

describe("a failure", () => {
  it.effect("is not kept: the next caller asks again", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        count === 1 ? Effect.fail(outage) : Effect.succeed(token(`t${count}`))
      )
      assertEquals(yield* Effect.flip(cache.get(a)), outage)
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
    }).pipe(Effect.provide(entries))
  )

  it.effect.each([
    ["as a defect", () => Effect.die(new Error("bug"))],
    [
      "by being thrown",
      () => {
        throw new Error("bug")
      }
    ],
    [
      "as a lifetime that is no number",
      () =>
        Effect.succeed({
          ...token("t1"),
          get lifetime(): never {
            throw new Error("bug")
          }
        })
    ]
  ] as const)("that comes %s does not leave callers waiting", ([, failing]) =>
    Effect.gen(function* () {
      let calls = 0
      const cache = yield* TokenCache.make(() => ((calls += 1), calls === 1 ? failing() : Effect.succeed(token("t2"))))
      const waiting = yield* fork(cache.get(a))
      const exit = yield* Fiber.await(waiting)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
    }).pipe(Effect.provide(entries))
  )
})

describe("a token that Databricks refused", () => {
  it.effect("is dropped, and the next is asked for in the knowledge of that", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      yield* cache.invalidate(a, yield* cache.get(a))
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
      assert.deepStrictEqual(
        (yield* cache.asked).map(({ refused }) => refused),
        [false, true]
      )
    }).pipe(Effect.provide(entries))
  )

  it.effect("is dropped once, however many callers saw it refused", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      const refused = yield* cache.get(a)
      yield* cache.invalidate(a, refused)
      const next = yield* cache.get(a)
      yield* cache.invalidate(a, refused)
      assert.strictEqual(yield* cache.get(a), next)
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(entries))
  )

  it.effect("is told from a newer one with the same text: a PAT that was read again is not refused twice at once", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(() => Effect.succeed(token("dapi")))
      const refused = yield* cache.get(a)
      yield* cache.invalidate(a, refused)
      yield* cache.get(a)
      yield* cache.invalidate(a, refused)
      yield* cache.get(a)
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(entries))
  )

  it.effect("does not take another identity's token with it", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      const [ofA, ofB] = [yield* cache.get(a), yield* cache.get(b)]
      yield* cache.invalidate(a, ofB)
      assert.strictEqual(yield* cache.get(a), ofA)
      yield* cache.invalidate(a, ofA)
      assert.strictEqual(yield* cache.get(b), ofB)
    }).pipe(Effect.provide(entries))
  )

  it.effect("while its successor is on the way changes nothing", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        Effect.delay(Effect.succeed(token(`t${count}`)), count === 1 ? 0 : 1000)
      )
      const fiber = yield* fork(cache.get(a))
      yield* TestClock.adjust(0)
      const refused = yield* Fiber.join(fiber)
      yield* cache.invalidate(a, refused)
      const next = yield* fork(cache.get(a))
      yield* cache.invalidate(a, refused)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(bearer(yield* Fiber.join(next)), "Bearer t2")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
    }).pipe(Effect.provide(entries))
  )

  it.effect("is not forgotten to be so by a failure on the way to the next", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        count === 2 ? Effect.fail(outage) : Effect.succeed(token(`t${count}`))
      )
      yield* cache.invalidate(a, yield* cache.get(a))
      yield* Effect.flip(cache.get(a))
      yield* cache.get(a)
      assert.deepStrictEqual(
        (yield* cache.asked).map(({ refused }) => refused),
        [false, true, true]
      )
    }).pipe(Effect.provide(entries))
  )
})

describe("a token whose credential was rotated", () => {
  it.effect("is dropped, also for callers that were content with it", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.succeed(token(`t${count}`, "1 hour", `s${count}`)))
      yield* cache.get(a)
      yield* cache.retire(a, Redacted.make("s2"))
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
      yield* cache.retire(a, Redacted.make("s2"))
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(entries))
  )

  it.effect("is dropped for its own identity alone, and nothing happens where there is none", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      yield* cache.retire(a, Redacted.make("s2"))
      const ofB = yield* cache.get(b)
      yield* cache.retire(a, Redacted.make("s2"))
      assert.strictEqual(yield* cache.get(b), ofB)
      assert.deepStrictEqual(
        (yield* cache.asked).map(({ refused }) => refused),
        [false]
      )
    }).pipe(Effect.provide(entries))
  )
})

describe("a token that the job's metadata stored", () => {
  it.effect("has an entry of its own, beside the identity's and those with another token", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      const [one, other] = [credentialOf("team-a", "dapi-1"), credentialOf("team-a", "dapi-2")]
      assert.deepStrictEqual(
        [a, one, other, credentialOf("team-b", "dapi-1"), credentialOf("team-a", "dapi-1")].map(
          (credential) => credential
        ),
        [a, one, other, credentialOf("team-b", "dapi-1"), one]
      )
      const headers = yield* Effect.forEach(
        [a, one, other, credentialOf("team-b", "dapi-1"), credentialOf("team-a", "dapi-1")],
        cache.get
      )
      assert.deepStrictEqual(headers.map(bearer), ["Bearer t1", "Bearer t2", "Bearer t3", "Bearer t4", "Bearer t2"])
    }).pipe(Effect.provide(entries))
  )

  it.effect("gives way to the source once it was refused", () =>
    Effect.gen(function* () {
      const stored = credentialOf("team-a", "dapi-old")
      const cache = yield* makeCache(({ credential, refused }) =>
        Effect.succeed(refused ? token("dapi-new") : token(Redacted.value(credential.storedToken!)))
      )
      const old = yield* cache.get(stored)
      assert.strictEqual(bearer(old), "Bearer dapi-old")
      yield* cache.invalidate(stored, old)
      assert.strictEqual(bearer(yield* cache.get(stored)), "Bearer dapi-new")
    }).pipe(Effect.provide(entries))
  )

  it.effect("stays refused: it is not tried again when its successor is due", () =>
    Effect.gen(function* () {
      const stored = credentialOf("team-a", "dapi-old")
      const cache = yield* makeCache((_, count) => Effect.succeed(token(`t${count}`)))
      yield* cache.invalidate(stored, yield* cache.get(stored))
      yield* cache.get(stored)
      yield* TestClock.adjust("2 hours")
      yield* cache.get(stored)
      assert.deepStrictEqual(
        (yield* cache.asked).map(({ refused }) => refused),
        [false, true, true]
      )
    }).pipe(Effect.provide(entries))
  )
})

describe("an answer that comes late", () => {
  it.effect("never overwrites what is newer", () =>
    Effect.gen(function* () {
      const answers = [yield* Deferred.make<string>(), yield* Deferred.make<string>()]
      const cache = yield* makeCache((_, count) =>
        Effect.map(Deferred.await(answers[count - 1]!), (value) => token(value))
      )
      const early = yield* fork(cache.get(a))
      // Whatever made room for it, the entry is gone when the next caller comes.
      yield* Ref.set(yield* TokenCache.TokenEntries, HashMap.empty())
      const late = yield* fork(cache.get(a))
      yield* Deferred.succeed(answers[1]!, "newer")
      assert.strictEqual(bearer(yield* Fiber.join(late)), "Bearer newer")
      yield* Deferred.succeed(answers[0]!, "older")
      assert.strictEqual(bearer(yield* Fiber.join(early)), "Bearer older")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer newer")
    }).pipe(Effect.provide(entries))
  )
})

describe("the number of tokens", () => {
  const size = Effect.map(Effect.flatMap(TokenCache.TokenEntries, Ref.get), HashMap.size)
  const bounded = (capacity: number) => Layer.merge(entries, Layer.succeed(TokenCache.CacheCapacity, capacity))

  it.effect("is bounded", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      for (let i = 0; i < 50; i++) {
        yield* cache.get(credentialOf(`team-${i}`))
        assert.isAtMost(yield* size, 3)
      }
    }).pipe(Effect.provide(bounded(3)))
  )

  it.effect("does not grow by what is there already", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        Effect.succeed(token(`t${count}`, count === 1 ? "1 hour" : "2 hours"))
      )
      yield* cache.get(a)
      const ofB = yield* cache.get(b)
      yield* cache.invalidate(b, ofB)
      yield* cache.get(b)
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
    }).pipe(Effect.provide(bounded(2)))
  )

  it.effect("is kept by dropping the token that ends first", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        Effect.succeed(token(`t${count}`, `${[3, 1, 2, 4][count - 1] ?? 5} hours`))
      )
      for (const namespace of ["three", "one", "two", "four"]) yield* cache.get(credentialOf(namespace))
      assert.strictEqual(bearer(yield* cache.get(credentialOf("three"))), "Bearer t1")
      assert.strictEqual(bearer(yield* cache.get(credentialOf("two"))), "Bearer t3")
      assert.strictEqual(bearer(yield* cache.get(credentialOf("one"))), "Bearer t5")
    }).pipe(Effect.provide(bounded(3)))
  )

  it.effect("is no reason to ask twice for a token that is on its way", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.delay(Effect.succeed(token(`t${count}`)), "1 second"))
      const fibers = yield* Effect.forEach([a, b, a, b], (credential) => fork(cache.get(credential)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* Effect.forEach(fibers, Fiber.join)).map(bearer), [
        "Bearer t1",
        "Bearer t2",
        "Bearer t1",
        "Bearer t2"
      ])
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(bounded(1)))
  )
})

describe("a cache whose scope closes", () => {
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
      const exit = yield* Fiber.await(waiting)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause))
      assert.strictEqual(stopped, hadBegun)
      assert.strictEqual(HashMap.size(yield* Ref.get(yield* TokenCache.TokenEntries)), 0)
    }).pipe(Effect.provide(entries))
  )

  it.effect("lets go of who comes after that, too", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const cache = yield* Scope.provide(makeCache(numbered), scope)
      yield* Scope.close(scope, Exit.void)
      const waiting = yield* fork(cache.get(a))
      const exit = yield* Fiber.await(waiting)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause))
      assert.lengthOf(yield* cache.asked, 0)
    }).pipe(Effect.provide(entries))
  )
})
