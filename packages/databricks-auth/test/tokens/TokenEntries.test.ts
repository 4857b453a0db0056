/** Who leaves the cache's state, and when. `Bounds.test.ts` has the same as callers see it. */
import type { AuthError, Credential } from "@flyte-databricks/databricks-auth"
import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import * as TokenEntry from "@flyte-databricks/databricks-auth/tokens/TokenEntry"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Deferred, Effect, Exit, Redacted, Ref } from "effect"
import { credentialOf } from "../support/tokens.ts"

const { maxWeight } = TokenEntries
const manyMore = 1000

const inFlight: TokenEntry.Entry = TokenEntry.get(TokenEntry.empty, {
  now: 0,
  isTurn: () => true,
  result: Deferred.makeUnsafe<Credential.AuthHeader, AuthError.AuthError>()
}).state

/** A slot whose key has so many characters. */
const slot = (name: string, weight: number, lastUsedAt: number, entry = TokenEntry.empty): TokenEntries.Slot => {
  const missing = weight - credentialOf(`${name}.`).identity.key.length
  return { credential: credentialOf(`${name}.${"x".repeat(missing)}`), entry: Ref.makeUnsafe(entry), lastUsedAt }
}

const nameOf = ({ credential: { identity } }: TokenEntries.Slot): string =>
  identity._tag === "pat" && identity.origin._tag === "NamespaceSecret" ? identity.origin.namespace.split(".")[0]! : ""

const inside = (body: (entries: TokenEntries.TokenEntries["Service"]) => void) =>
  Effect.map(TokenEntries.TokenEntries, body).pipe(Effect.provide(TokenEntries.layer, { local: true }))

/** What is kept of these, which are added one after the other. */
const keptOf = (entries: TokenEntries.TokenEntries["Service"], slots: ReadonlyArray<TokenEntries.Slot>) => {
  for (const one of slots) TokenEntries.add(entries, one, manyMore)
  return TokenEntries.all(entries).map(nameOf)
}

describe("what credentials weigh", () => {
  it.effect("is the length of their keys and of all secrets that are kept of them", () =>
    inside((entries) => {
      const credential = credentialOf("team-a", "12345")
      const key = credential.identity.key.length
      const entry = Ref.makeUnsafe(TokenEntry.empty)
      const one: TokenEntries.Slot = { credential, entry, lastUsedAt: 0 }
      TokenEntries.add(entries, one, manyMore)
      assert.strictEqual(entries.weight, key + 5)

      const header = Exit.succeed({ authorization: Redacted.make("Bearer 123") }) as TokenEntry.Held["header"]
      const times = { issuedAt: 0, refreshAt: 1, urgentAt: 2, usableUntil: 3, expiresAt: 4 }
      const held = { header, builtFrom: Redacted.make("1234567"), times }
      const fresh = { _tag: "Fresh", refused: false, held, refreshAt: 1, failures: 0, failure: undefined } as const
      Effect.runSync(Ref.set(entry, fresh))
      TokenEntries.weigh(entries, one)
      assert.strictEqual(entries.weight, key + 5 + 10 + 7)

      TokenEntries.sweep(entries, 1000, 1000)
      assert.deepStrictEqual(TokenEntries.all(entries), [])
      assert.strictEqual(entries.weight, 0)
      Effect.runSync(Ref.set(entry, TokenEntry.empty))
      TokenEntries.weigh(entries, one)
      assert.strictEqual(entries.weight, 0)
    })
  )
})

describe("credentials that nobody asks for", () => {
  it.effect("leave once they have been idle for so long, unless a request is in flight for them", () =>
    inside((entries) => {
      const slots = [slot("old", 200, 0), slot("asked for", 200, 0, inFlight), slot("young", 200, 1)]
      assert.deepStrictEqual(keptOf(entries, slots), ["old", "asked for", "young"])
      TokenEntries.sweep(entries, 1000, 1000)
      assert.deepStrictEqual(TokenEntries.all(entries).map(nameOf), ["asked for", "young"])
      assertEquals(entries.evicted, { capacity: 0, weight: 0, idle: 1 })
    })
  )

  it.effect("are looked for again when a quarter of that time has passed", () =>
    inside((entries) => {
      assert.deepStrictEqual(keptOf(entries, [slot("young", 200, 1)]), ["young"])
      TokenEntries.sweep(entries, 1000, 1000)
      TokenEntries.sweep(entries, 1249, 1000)
      assert.strictEqual(TokenEntries.size(entries), 1)
      TokenEntries.sweep(entries, 1250, 1000)
      assert.strictEqual(TokenEntries.size(entries), 0)
    })
  )
})

describe("credentials that are too many", () => {
  it.effect("make room, the first of those that were last used at one time before the others", () =>
    inside((entries) => {
      for (const name of ["a", "b", "c"]) TokenEntries.add(entries, slot(name, 200, 0), 2)
      assert.deepStrictEqual(TokenEntries.all(entries).map(nameOf), ["b", "c"])
      assertEquals(entries.evicted, { capacity: 1, weight: 0, idle: 0 })
    })
  )
})

describe("credentials that are large", () => {
  it.effect("are kept as long as they are no more than may be, all together", () =>
    inside((entries) => {
      assert.deepStrictEqual(keptOf(entries, [slot("a", maxWeight / 2, 0), slot("b", maxWeight / 2, 1)]), ["a", "b"])
      assert.strictEqual(entries.weight, maxWeight)
      assert.strictEqual(entries.evicted.weight, 0)
    })
  )

  it.effect("leave in the order in which they were last used, until a tenth of what may be is free", () =>
    inside((entries) => {
      const eighth = maxWeight / 8
      const ages = [5, 2, 7, 0, 3, 6, 1, 4]
      const kept = keptOf(entries, [...ages.map((age) => slot(`${age}`, eighth, age)), slot("new", 200, 8)])
      assert.deepStrictEqual(kept, ["5", "2", "7", "3", "6", "1", "4", "new"])
      assertEquals(entries.evicted, { capacity: 0, weight: 1, idle: 0 })
      assert.deepStrictEqual(keptOf(entries, [slot("newer", eighth, 9)]), [
        "5",
        "2",
        "7",
        "3",
        "6",
        "4",
        "new",
        "newer"
      ])
      assert.strictEqual(entries.weight, 7 * eighth + 200)

      const twentieth = maxWeight / 20
      TokenEntries.sweep(entries, 1000, 10)
      const many = Array.from({ length: 20 }, (_, age) => slot(`${age}`, twentieth, age))
      assert.deepStrictEqual(keptOf(entries, [...many, slot("new", 200, 20)]), [...many.slice(3).map(nameOf), "new"])
      assert.strictEqual(entries.evicted.weight, 2 + 3)
    })
  )

  it.effect("stay while a request is in flight for them, and where they are the one that is new", () =>
    inside((entries) => {
      const weight = Math.ceil(maxWeight / 3.5)
      const slots = [
        slot("asked for", weight, 1, inFlight),
        slot("old", weight, 2),
        slot("young", weight, 3),
        slot("new", weight, 0)
      ]
      assert.deepStrictEqual(keptOf(entries, slots), ["asked for", "young", "new"])
    })
  )
})
