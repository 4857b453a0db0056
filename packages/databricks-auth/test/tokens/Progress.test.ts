/** What a caller can be told of a token that is not there yet. */
import { type Token } from "@flyte-databricks/databricks-auth"
import type * as TokenCache from "@flyte-databricks/databricks-auth/tokens/TokenCache"
import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import { bearer, credentialOf, makeCache, outage, token, withoutJitter } from "../support/tokens.ts"

const a = credentialOf("team-a")
const b = credentialOf("team-b")
const fork = Effect.forkChild({ startImmediately: true })

const tries = (attempts: number, lastAnswer: string | undefined): Token.Progress => ({
  endpoint: "https://dbc-a1b2.cloud.databricks.com/oidc/v1/token",
  attempts,
  lastAnswer
})

/** Fails a try each second, three times, and then has a token. */
const threeTries = ({ onProgress }: Token.Tries, count: number) =>
  Effect.gen(function* () {
    for (let attempts = 1; attempts <= 3; attempts++) {
      yield* Effect.sleep("1 second")
      yield* onProgress(tries(attempts, `status 50${attempts}`))
    }
    yield* Effect.sleep("1 second")
    return token(`t${count}`, "1 hour")
  })

const failureOf = ({ status }: TokenCache.TokenCache) => Effect.map(status, ([only]) => only?.failure)

describe("a token that callers wait for", () => {
  it.effect("tells each try that failed, and nothing before the first or once it is there", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(({ tries }, count) => threeTries(tries, count))
      assertEquals(yield* cache.progress(a), Option.none())
      const fiber = yield* fork(cache.get(a))
      assertEquals(yield* cache.progress(a), Option.none())
      assert.isUndefined(yield* failureOf(cache))
      for (let attempts = 1; attempts <= 3; attempts++) {
        yield* TestClock.adjust("1 second")
        assertEquals(yield* cache.progress(a), Option.some(tries(attempts, `status 50${attempts}`)))
        assert.strictEqual(yield* failureOf(cache), `status 50${attempts}`)
        assertEquals(yield* cache.progress(b), Option.none())
      }
      yield* TestClock.adjust("1 second")
      assert.strictEqual(bearer(yield* Fiber.join(fiber)), "Bearer t1")
      assertEquals(yield* cache.progress(a), Option.none())
      assert.isUndefined(yield* failureOf(cache))
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("tells of a request that nothing has come of yet, which is no failure", () =>
    Effect.gen(function* () {
      const silent = ({ onProgress }: Token.Tries) => Effect.andThen(onProgress(tries(1, undefined)), Effect.never)
      const cache = yield* makeCache(({ tries }) => silent(tries))
      yield* fork(cache.get(a))
      yield* TestClock.adjust("1 second")
      assertEquals(yield* cache.progress(a), Option.some(tries(1, undefined)))
      assert.isUndefined(yield* failureOf(cache))
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("begins anew with each request", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(({ tries }, count) =>
        Effect.andThen(threeTries(tries, count), Effect.fail(outage))
      )
      const first = yield* fork(Effect.exit(cache.get(a)))
      yield* TestClock.adjust("4 seconds")
      yield* Fiber.join(first)
      assertEquals(yield* cache.progress(a), Option.none())
      yield* TestClock.adjust("1 minute")
      yield* fork(Effect.exit(cache.get(a)))
      assertEquals(yield* cache.progress(a), Option.none())
      yield* TestClock.adjust("1 second")
      assertEquals(yield* cache.progress(a), Option.some(tries(1, "status 501")))
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("tells of a renewal in the background too", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(({ tries }, count) =>
        count === 1 ? Effect.succeed(token("t1")) : threeTries(tries, count)
      )
      yield* cache.get(a)
      yield* TestClock.adjust("50 minutes")
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t1")
      yield* TestClock.adjust("2 seconds")
      assertEquals(yield* cache.progress(a), Option.some(tries(2, "status 502")))
      assert.strictEqual(yield* failureOf(cache), "status 502")
    }).pipe(Effect.provide([TokenEntries.layer, withoutJitter]))
  )
})
