import { AuthError } from "@flyte-databricks/databricks-auth"
import * as TokenCache from "@flyte-databricks/databricks-auth/tokens/TokenCache"
import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Cause, Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { bearer, credentialOf, makeCache, outage, policy, refusal, token } from "../support/tokens.ts"

const a = credentialOf("team-a")
const b = credentialOf("team-b")
const fork = Effect.forkChild({ startImmediately: true })
const page = new AuthError.AuthError({
  reason: new AuthError.TokenResponseInvalid({ endpoint: "e", status: 200, problem: "the body is an HTML page" })
})
const outageFor = (retryAfterMillis: number) =>
  new AuthError.AuthError({
    reason: new AuthError.TokenEndpointUnavailable({
      endpoint: "e",
      detail: "status 429",
      attempts: 1,
      retryAfterMillis
    })
  })

describe("a failure", () => {
  it.effect.each([
    ["that may pass is the answer for a second", outage, 1_000],
    ["that is a page in place of a token, for a second too", page, 1_000],
    ["that is a refusal, for five", refusal, 5_000],
    ["that says when to come back, until then", outageFor(7_000), 7_000],
    ["that says to come back next week, for two minutes", outageFor(604_800_000), 120_000],
    ["that says to come back at once, for a second all the same", outageFor(0), 1_000]
  ] as const)("%s", ([, error, millis]) =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        count === 1 ? Effect.fail(error) : Effect.succeed(token(`t${count}`))
      )
      assertEquals(yield* Effect.flip(cache.get(a)), error)
      yield* TestClock.adjust(millis - 1)
      const burst = yield* Effect.all(
        Array.from({ length: 100 }, () => Effect.flip(cache.get(a))),
        { concurrency: "unbounded" }
      )
      for (const heard of burst) assertEquals(heard, error)
      assert.lengthOf(yield* cache.asked, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(bearer(yield* cache.get(a)), "Bearer t2")
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("of one identity is none of another's", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        count === 1 ? Effect.fail(refusal) : Effect.succeed(token(`t${count}`))
      )
      yield* Effect.flip(cache.get(a))
      assert.strictEqual(bearer(yield* cache.get(b)), "Bearer t2")
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("lasts as long as the policy says", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        count < 3 ? Effect.fail(count === 1 ? outage : refusal) : Effect.never
      )
      yield* Effect.flip(cache.get(a))
      yield* TestClock.adjust("2 seconds")
      assertEquals(yield* Effect.flip(cache.get(a)), outage)
      yield* TestClock.adjust("1 second")
      assertEquals(yield* Effect.flip(cache.get(a)), refusal)
      yield* TestClock.adjust("8 seconds")
      assertEquals(yield* Effect.flip(cache.get(a)), refusal)
      assert.lengthOf(yield* cache.asked, 2)
    }).pipe(
      Effect.provide([
        TokenEntries.layer,
        policy({ failureTimeToLive: { unavailable: Duration.seconds(3), refused: Duration.seconds(9) } })
      ])
    )
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
    }).pipe(Effect.provide(TokenEntries.layer))
  )
})
