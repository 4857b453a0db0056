import { type AuthError, type Token } from "@flyte-databricks/databricks-auth"
import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { bearer, credentialOf, makeCache, outage, refusal, token, withoutJitter } from "../support/tokens.ts"

const a = credentialOf("team-a")
const b = credentialOf("team-b")
const fork = Effect.forkChild({ startImmediately: true })
const numbered = (_: unknown, count: number) => Effect.succeed(token(`t${count}`))

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
    }).pipe(Effect.provide(TokenEntries.layer))
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
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("is known by its text, whoever made the object that says so", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      yield* cache.get(a)
      yield* cache.invalidate(a, { authorization: Redacted.make("Bearer t1") })
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
      yield* cache.invalidate(a, { authorization: Redacted.make("Bearer t1") })
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("does not take another identity's token with it", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(numbered)
      const [ofA, ofB] = [yield* cache.get(a), yield* cache.get(b)]
      yield* cache.invalidate(a, ofB)
      assert.strictEqual(yield* cache.get(a), ofA)
      yield* cache.invalidate(a, ofA)
      assert.strictEqual(yield* cache.get(b), ofB)
    }).pipe(Effect.provide(TokenEntries.layer))
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
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("is not forgotten to be so by a failure on the way to the next", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        count === 2 ? Effect.fail(outage) : Effect.succeed(token(`t${count}`))
      )
      yield* cache.invalidate(a, yield* cache.get(a))
      yield* Effect.flip(cache.get(a))
      yield* TestClock.adjust("1 second")
      yield* cache.get(a)
      assert.deepStrictEqual(
        (yield* cache.asked).map(({ refused }) => refused),
        [false, true, true]
      )
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  describe("while it is being renewed", () => {
    const refresh = Effect.fnUntraced(function* (
      second: Effect.Effect<Token.Token, AuthError.AuthError>,
      built = "s1"
    ) {
      const cache = yield* makeCache((_, count) =>
        count === 2 ? Effect.delay(second, "1 second") : Effect.succeed(token(`t${count}`, "1 hour", built))
      )
      const refused = yield* cache.get(a)
      yield* TestClock.adjust("45 minutes")
      yield* cache.get(a)
      return { cache, refused }
    })

    it.effect("is handed out no longer: callers wait for its successor", () =>
      Effect.gen(function* () {
        const { cache, refused } = yield* refresh(Effect.succeed(token("t2")))
        yield* cache.invalidate(a, refused)
        const waiting = yield* fork(cache.get(a))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(bearer(yield* Fiber.join(waiting)), "Bearer t2")
        assert.lengthOf(yield* cache.asked, 2)
      }).pipe(Effect.provide([TokenEntries.layer, withoutJitter]))
    )

    it.effect("is replaced by another request, should that one fail: it was built from what was there before", () =>
      Effect.gen(function* () {
        const { cache, refused } = yield* refresh(Effect.fail(refusal))
        yield* cache.invalidate(a, refused)
        const waiting = yield* fork(cache.get(a))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(bearer(yield* Fiber.join(waiting)), "Bearer t3")
        assert.isTrue((yield* cache.asked)[2]?.refused)
      }).pipe(Effect.provide([TokenEntries.layer, withoutJitter]))
    )

    it.effect("is not accepted again when it comes back, and another is asked for, once", () =>
      Effect.gen(function* () {
        const { cache, refused } = yield* refresh(Effect.succeed(token("t1")))
        yield* cache.invalidate(a, refused)
        const waiting = yield* fork(cache.get(a))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(bearer(yield* Fiber.join(waiting)), "Bearer t3")
        assert.lengthOf(yield* cache.asked, 3)
      }).pipe(Effect.provide([TokenEntries.layer, withoutJitter]))
    )
  })
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
    }).pipe(Effect.provide(TokenEntries.layer))
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
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("while it is being renewed is handed out no longer", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.delay(Effect.succeed(token(`t${count}`)), "1 second"))
      const first = yield* fork(cache.get(a))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(first)
      yield* TestClock.adjust("45 minutes")
      yield* cache.get(a)
      yield* cache.retire(a, Redacted.make("s2"))
      const waiting = yield* fork(cache.get(a))
      yield* TestClock.adjust(0)
      assert.isUndefined(waiting.pollUnsafe())
    }).pipe(Effect.provide([TokenEntries.layer, withoutJitter]))
  )

  it.effect.each([
    ["is followed by another request, if it was built from the credential before", "s2", ["Bearer t2", 2]],
    ["is good, if it was built from the new one", "s1", ["Bearer t1", 1]]
  ] as const)("on its way to the first caller %s", ([, now, [expected, requests]]) =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        Effect.delay(Effect.succeed(token(`t${count}`, "1 hour", `s${count}`)), "1 second")
      )
      const waiting = yield* fork(cache.get(a))
      yield* cache.retire(a, Redacted.make(now))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(bearer(yield* Fiber.join(waiting)), expected)
      assert.lengthOf(yield* cache.asked, requests)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("however often, is no reason for a third request", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.delay(Effect.succeed(token(`t${count}`)), "1 second"))
      const waiting = yield* fork(cache.get(a))
      yield* cache.retire(a, Redacted.make("s2"))
      yield* TestClock.adjust("1500 millis")
      yield* cache.retire(a, Redacted.make("s3"))
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(bearer(yield* Fiber.join(waiting)), "Bearer t2")
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(TokenEntries.layer))
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
    }).pipe(Effect.provide(TokenEntries.layer))
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
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("stays refused: it is not tried again when its successor is due", () =>
    Effect.gen(function* () {
      const stored = credentialOf("team-a", "dapi-old")
      const cache = yield* makeCache((_, count) => Effect.succeed(token(`t${count}`)))
      yield* cache.invalidate(stored, yield* cache.get(stored))
      yield* cache.get(stored)
      yield* TestClock.adjust("59.5 minutes")
      yield* cache.get(stored)
      assert.deepStrictEqual(
        (yield* cache.asked).map(({ refused }) => refused),
        [false, true, true]
      )
    }).pipe(Effect.provide(TokenEntries.layer))
  )
})
