import { AuthError } from "@flyte-databricks/databricks-auth"
import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Cause, Duration, Effect, Fiber, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import { bearer, credentialOf, makeCache, outage, policy, refusal, token, withoutJitter } from "../support/tokens.ts"

const a = credentialOf("team-a")
const fork = Effect.forkChild({ startImmediately: true })
const fresh = Layer.merge(TokenEntries.layer, withoutJitter)

// A token of an hour is used for 59 minutes and 20 seconds, and due 24 minutes before, by dice that show their middle.
const due = 2_120_000

/** A cache whose first token is an hour's, and a request for the second takes a second. */
const renewing = (second: ReturnType<Parameters<typeof makeCache>[0]>) =>
  Effect.gen(function* () {
    const cache = yield* makeCache((_, count) =>
      count === 1 ? Effect.succeed(token("t1")) : Effect.delay(second, "1 second")
    )
    yield* cache.get(a)
    return cache
  })

describe("a token that is due", () => {
  it.effect("is handed out at once, to everybody, while one request for the next is under way", () =>
    Effect.gen(function* () {
      const cache = yield* renewing(Effect.succeed(token("t2")))
      yield* TestClock.adjust(due - 1)
      yield* cache.get(a)
      assert.lengthOf(yield* cache.asked, 1)
      yield* TestClock.adjust(1)
      for (let i = 0; i < 100; i++) assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      yield* TestClock.adjust(1)
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(fresh))
  )

  it.effect("is renewed when somebody asks, and not before", () =>
    Effect.gen(function* () {
      const cache = yield* renewing(Effect.succeed(token("t2")))
      yield* TestClock.adjust("59 minutes")
      assert.lengthOf(yield* cache.asked, 1)
      yield* cache.get(a)
      yield* TestClock.adjust("1 second")
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(fresh))
  )

  it.effect("is renewed also if the caller who found it due goes away", () =>
    Effect.gen(function* () {
      const cache = yield* renewing(Effect.succeed(token("t2")))
      yield* TestClock.adjust(due)
      yield* Fiber.interrupt(yield* fork(Effect.andThen(cache.get(a), Effect.never)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
    }).pipe(Effect.provide(fresh))
  )

  it.effect("is waited for when it ends before its successor has come", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        Effect.delay(Effect.succeed(token(`t${count}`)), count === 1 ? 0 : "30 minutes")
      )
      yield* fork(cache.get(a))
      yield* TestClock.adjust(due)
      yield* cache.get(a)
      yield* TestClock.adjust("24 minutes")
      const waiting = yield* fork(cache.get(a))
      yield* TestClock.adjust("5 minutes")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(bearer(yield* Fiber.join(waiting)), "Bearer t2")
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(Effect.provide(fresh))
  )
})

describe("a refresh that fails", () => {
  /** Asks each second for so long, and says when requests were made, counted from here. */
  const requestsDuring = Effect.fnUntraced(function* (
    cache: Effect.Success<ReturnType<typeof makeCache>>,
    seconds: number
  ) {
    const start = (yield* cache.asked)[0]!.at + due
    for (let i = 0; i < seconds; i++) {
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      yield* TestClock.adjust("1 second")
    }
    return (yield* cache.asked).slice(1).map(({ at }) => (at - start) / 1000)
  })

  it.effect("harms nobody: the token goes on, and the next try is put off for longer and longer", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => (count === 1 ? Effect.succeed(token("t1")) : Effect.fail(refusal)))
      yield* cache.get(a)
      yield* TestClock.adjust(due)
      assert.deepStrictEqual(yield* requestsDuring(cache, 500), [0, 30, 90, 210, 330, 450])
    }).pipe(Effect.provide(fresh))
  )

  it.effect("is tried again the sooner, the less time is left, but never within a second", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => (count === 1 ? Effect.succeed(token("t1")) : Effect.fail(outage)))
      yield* cache.get(a)
      yield* TestClock.adjust(due)
      const requests = yield* requestsDuring(cache, 1440)
      const pauses = requests.slice(1).map((at, index) => at - requests[index]!)
      assert.deepStrictEqual(
        pauses.slice(5).toSorted((one, other) => other - one),
        pauses.slice(5)
      )
      assert.isAtLeast(Math.min(...pauses), 1)
      assert.isAtMost(requests.length, 30)
      assert.isAtLeast(requests.at(-1)!, 1430)
    }).pipe(Effect.provide(fresh))
  )

  it.effect("obeys Retry-After", () =>
    Effect.gen(function* () {
      const busy = new AuthError.AuthError({
        reason: new AuthError.TokenEndpointUnavailable({
          endpoint: "e",
          detail: "status 429",
          attempts: 1,
          retryAfterMillis: 300_000
        })
      })
      const cache = yield* makeCache((_, count) => (count === 1 ? Effect.succeed(token("t1")) : Effect.fail(busy)))
      yield* cache.get(a)
      yield* TestClock.adjust(due)
      assert.deepStrictEqual(yield* requestsDuring(cache, 700), [0, 300, 600])
    }).pipe(Effect.provide(fresh))
  )

  it.effect("begins to count anew once one has succeeded", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        count === 2 || count > 3 ? Effect.fail(outage) : Effect.succeed(token("t1"))
      )
      yield* cache.get(a)
      yield* TestClock.adjust(due)
      assert.deepStrictEqual(yield* requestsDuring(cache, 60), [0, 30])
      yield* TestClock.adjust(due - 30_000)
      const second = (yield* requestsDuring(cache, 60)).slice(2)
      assert.strictEqual(second[1]! - second[0]!, 30)
    }).pipe(Effect.provide(fresh))
  )

  it.effect("is asked for as something that nobody waits for, and a token that callers wait for as what it is", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => (count === 1 ? Effect.succeed(token("t1")) : Effect.fail(outage)))
      yield* cache.get(a)
      yield* TestClock.adjust(due)
      yield* cache.get(a)
      yield* TestClock.adjust("24 minutes")
      yield* Effect.flip(cache.get(a))
      assert.deepStrictEqual(
        (yield* cache.asked).map(({ tries }) => tries.isWaitedFor),
        [true, false, true]
      )
    }).pipe(Effect.provide(fresh))
  )

  it.effect("after the token has ended is followed by one with retries, for those who wait by then", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        count === 2 ? Effect.delay(Effect.fail(outage), "25 minutes") : Effect.succeed(token(`t${count}`))
      )
      yield* cache.get(a)
      yield* TestClock.adjust(due)
      yield* cache.get(a)
      yield* TestClock.adjust("24 minutes")
      const waiting = yield* fork(cache.get(a))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(bearer(yield* Fiber.join(waiting)), "Bearer t3")
      assert.isTrue((yield* cache.asked)[2]?.tries.isWaitedFor)
    }).pipe(Effect.provide(fresh))
  )

  it.effect("is said aloud once, with how long the token is good for", () => {
    const said: Array<unknown> = []
    const logger = Logger.make(({ fiber, logLevel, message }) =>
      said.push([logLevel, String(message), fiber.getRef(References.CurrentLogAnnotations)])
    )
    return Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => (count === 1 ? Effect.succeed(token("t1")) : Effect.fail(outage)))
      yield* cache.get(a)
      yield* TestClock.adjust(due)
      yield* requestsDuring(cache, 100)
      const left =
        "The token of owner of the PAT for dbc-a1b2.cloud.databricks.com could not be renewed, and is good for another 24m."
      assert.deepStrictEqual(said, [["Warn", `${left} ${outage.message}`, { reason: "TokenEndpointUnavailable" }]])
    }).pipe(Effect.provide([fresh, Logger.layer([logger])]))
  })

  it.effect("as a defect, however often, harms nobody either, and is said aloud with its trace", () => {
    const said: Array<unknown> = []
    const logger = Logger.make(({ message, cause }) => said.push(message, Cause.pretty(cause)))
    return Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        count === 1 ? Effect.succeed(token("t1")) : Effect.die(new Error("bug"))
      )
      yield* cache.get(a)
      yield* TestClock.adjust(due)
      assert.deepStrictEqual(yield* requestsDuring(cache, 100), [0, 30, 90])
      const [failing] = yield* cache.status
      assert.strictEqual(failing?.state, "fresh")
      assert.strictEqual(failing?.failure, "an unexpected error")
      assert.lengthOf(said, 2)
      assert.include(String(said[0]), "could not be renewed")
      assert.include(String(said[1]), "Error: bug")
    }).pipe(Effect.provide([fresh, Logger.layer([logger])]))
  })

  it.effect("after the token has ended, before anybody has asked again, is not followed by another", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        count === 2 ? Effect.delay(Effect.fail(outage), "25 minutes") : Effect.succeed(token(`t${count}`))
      )
      yield* cache.get(a)
      yield* TestClock.adjust(due)
      yield* cache.get(a)
      yield* TestClock.adjust("25 minutes")
      assertEquals(yield* Effect.flip(cache.get(a)), outage)
      assert.lengthOf(yield* cache.asked, 2)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t3")
    }).pipe(Effect.provide(fresh))
  )
})

describe("many tokens of one age", () => {
  const teams = Array.from({ length: 30 }, (_, index) => credentialOf(`team-${index}`))
  const getAll = (cache: Effect.Success<ReturnType<typeof makeCache>>) =>
    Effect.forEach(teams, (credential) => cache.get(credential), { discard: true })

  /** Asks for all of them each second, and says how many requests were made in each. */
  const perSecond = Effect.fnUntraced(function* (cache: Effect.Success<ReturnType<typeof makeCache>>, seconds: number) {
    const counts: Array<number> = []
    for (let i = 0; i < seconds; i++) {
      const before = (yield* cache.asked).length
      yield* getAll(cache)
      yield* TestClock.adjust("1 second")
      counts.push((yield* cache.asked).length - before)
    }
    return counts
  })

  it.effect("are renewed one after the other, at the rate that is enough for all of them", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.succeed(token(`t${count}`)))
      yield* getAll(cache)
      yield* TestClock.adjust(due)
      const counts = yield* perSecond(cache, 100)
      assert.strictEqual(counts[0], 1)
      assert.strictEqual(Math.max(...counts), 1)
      assert.strictEqual(
        counts.reduce((sum, count) => sum + count, 0),
        30
      )
    }).pipe(Effect.provide(fresh))
  )

  it.effect("are renewed several at once, where one a second would not be enough", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.succeed(token(`t${count}`)))
      yield* getAll(cache)
      yield* TestClock.adjust("3548 seconds")
      assert.deepStrictEqual(yield* perSecond(cache, 11), [...Array(10).fill(3), 0])
    }).pipe(Effect.provide([fresh, policy({ refreshLead: Duration.seconds(10) })]))
  )

  it.effect("leave the second to whoever waits for a token", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.succeed(token(`t${count}`)))
      yield* getAll(cache)
      yield* TestClock.adjust(due)
      yield* cache.get(a)
      assert.strictEqual((yield* perSecond(cache, 1))[0], 0)
    }).pipe(Effect.provide(fresh))
  )

  it.effect("do not wait for their turn when they are about to end", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.succeed(token(`t${count}`)))
      yield* getAll(cache)
      // The last eighth of 24 minutes.
      yield* TestClock.adjust(Duration.seconds(3560 - 180))
      assert.deepStrictEqual(yield* perSecond(cache, 2), [30, 0])
    }).pipe(Effect.provide(fresh))
  )
})

describe("what the cache says of itself", () => {
  const stateOf = (cache: Effect.Success<ReturnType<typeof makeCache>>) =>
    Effect.map(cache.status, ([status]) => status?.state)

  it.effect("names each state of a token's life", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        Effect.delay(count === 2 || count === 3 ? Effect.fail(outage) : Effect.succeed(token(`t${count}`)), "1 second")
      )
      assert.isUndefined(yield* stateOf(cache))
      yield* fork(cache.get(a))
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* stateOf(cache), "fetching")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* cache.status, [
        {
          identity: a.identity,
          state: "fresh",
          lastUsedAt: 0,
          issuedAt: 0,
          refreshAt: 2_120_000,
          usableUntil: 3_560_000,
          expiresAt: 3_600_000
        }
      ])
      yield* TestClock.adjust(due)
      yield* cache.get(a)
      assert.strictEqual(yield* stateOf(cache), "refreshing")
      yield* TestClock.adjust("1 second")
      const [failing] = yield* cache.status
      assert.strictEqual(failing?.state, "fresh")
      assert.strictEqual(failing?.failure, outage.message)
      assert.strictEqual(failing?.retryAt, failing?.refreshAt)
      yield* TestClock.adjust("24 minutes")
      assert.strictEqual(yield* stateOf(cache), "expired")
      const failed = yield* fork(Effect.flip(cache.get(a)))
      yield* TestClock.adjust("1 second")
      assertEquals(yield* Fiber.join(failed), outage)
      const [kept] = yield* cache.status
      assert.strictEqual(kept?.state, "failed")
      assert.strictEqual(kept?.failure, outage.message)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* stateOf(cache), "empty")
    }).pipe(Effect.provide(fresh))
  )

  it.effect("calls a token whose successor is late what it is: being fetched", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => (count === 1 ? Effect.succeed(token("t1")) : Effect.never))
      yield* cache.get(a)
      yield* TestClock.adjust(due)
      yield* cache.get(a)
      yield* TestClock.adjust("24 minutes")
      assert.strictEqual(yield* stateOf(cache), "fetching")
    }).pipe(Effect.provide(fresh))
  )
})
