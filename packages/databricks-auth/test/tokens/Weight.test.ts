/** How much the cache holds: whoever makes identities and tokens as long as they may be does not fill the memory. */
import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { bearer, credentialOf, makeCache, token } from "../support/tokens.ts"

const long = (name: string) => name.padEnd(8192, ".")
const weight = Effect.map(TokenEntries.TokenEntries, (entries) => {
  const texts = TokenEntries.all(entries).flatMap(({ credential, entry: _, ...slot }) => {
    const state = TokenEntries.peek({ credential, entry: _, ...slot })
    const secrets = "held" in state ? [state.held.header.value.authorization, state.held.builtFrom] : []
    return [...secrets, ...(credential.storedToken === undefined ? [] : [credential.storedToken])]
      .map(Redacted.value)
      .concat(credential.identity.key)
  })
  const sum = texts.reduce((sum, { length }) => sum + length, 0)
  assert.strictEqual(entries.weight, sum)
  return sum
})

describe("what tokens weigh", () => {
  it.effect("is bounded where they are stored with runs, those used least recently leaving first", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(({ credential }) =>
        Effect.succeed(token(Redacted.value(credential.storedToken ?? Redacted.make("none"))))
      )
      yield* cache.get(credentialOf("small"))
      for (let index = 0; index < 2000; index++) {
        yield* TestClock.adjust("1 millis")
        yield* cache.get(credentialOf("team", long(`${index}`)))
      }
      assert.isAtMost(yield* weight, TokenEntries.maxWeight)
      assert.isAtLeast(yield* weight, 0.8 * TokenEntries.maxWeight)
      const asked = (yield* cache.asked).length
      yield* cache.get(credentialOf("team", long("1999")))
      assert.lengthOf(yield* cache.asked, asked)
      yield* cache.get(credentialOf("small"))
      assert.lengthOf(yield* cache.asked, asked + 1)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("is bounded where a workspace gives long ones, also at their renewal", () =>
    Effect.gen(function* () {
      let given = (count: number) => `t${count}`
      const cache = yield* makeCache((_, count) => Effect.succeed(token(given(count))))
      const identities = Array.from({ length: 4000 }, (_, index) => credentialOf(`team-${index}`))
      yield* Effect.forEach(identities, (credential) => cache.get(credential))
      assert.isBelow(yield* weight, 4000 * 500)
      given = (count) => long(`t${count}`)
      for (const credential of identities) {
        yield* cache.invalidate(credential, yield* cache.get(credential))
        yield* cache.get(credential)
      }
      assert.isAtMost(yield* weight, TokenEntries.maxWeight)
    }).pipe(Effect.provide(TokenEntries.layer))
  )

  it.effect("is left out of account by what has left", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(() => Effect.succeed(token("t", "3 hours")))
      yield* cache.get(credentialOf("a"))
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(bearer(yield* cache.get(credentialOf("b"))), "Bearer t")
      yield* weight
    }).pipe(Effect.provide(TokenEntries.layer))
  )
})
