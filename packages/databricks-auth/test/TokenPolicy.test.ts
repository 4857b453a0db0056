import { TokenPolicy } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { outage } from "./support/tokens.ts"

const minute = 60_000
const { defaults } = TokenPolicy
const moment = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4_102_444_800_000 }))
const lifetime = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 24 * 60 * minute }))
const chance = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))

describe("a token's life, whatever its length and whatever the dice say", () => {
  it.prop(
    "has its moments in order, and leaves the buffer wherever it is long enough for that",
    { asked: moment, lifetime, chance },
    ({ asked, lifetime, chance }) => {
      const times = TokenPolicy.timesOf(defaults, asked, lifetime, chance / 1_000_001)
      assert.strictEqual(times.issuedAt, asked)
      assert.strictEqual(times.expiresAt, asked + lifetime)
      assert.isBelow(times.issuedAt, times.refreshAt)
      assert.isBelow(times.refreshAt, times.urgentAt)
      assert.isBelow(times.urgentAt, times.usableUntil)
      assert.isAtMost(times.usableUntil, times.expiresAt)
      const buffer = Duration.toMillis(defaults.expiryBuffer)
      if (lifetime >= 2 * buffer) assert.strictEqual(times.expiresAt - times.usableUntil, buffer)
      else assert.strictEqual(times.usableUntil - asked, Math.min(lifetime, buffer))
    },
    { arbitrary: { runs: 1000 } }
  )

  it.prop(
    "is renewed twenty minutes before the end of its use, or half of it, or up to two fifths earlier",
    { lifetime, chance },
    ({ lifetime, chance }) => {
      const { refreshAt, usableUntil } = TokenPolicy.timesOf(defaults, 0, lifetime, chance / 1_000_001)
      const lead = Math.min(usableUntil / 2, 20 * minute)
      assert.isAtLeast(usableUntil - refreshAt, lead * 0.999)
      assert.isAtMost(usableUntil - refreshAt, lead * 1.401)
    },
    { arbitrary: { runs: 1000 } }
  )

  it.prop("is longer used, the longer it lasts", { one: lifetime, other: lifetime }, ({ one, other }) => {
    const used = (lifetime: number) => TokenPolicy.timesOf(defaults, 0, lifetime, 0).usableUntil
    assert.isAtMost(used(Math.min(one, other)), used(Math.max(one, other)))
  })

  it("is spread by the dice: the moments of a thousand tokens of one age lie over eight minutes", () => {
    const moments = Array.from({ length: 1000 }, (_, index) =>
      TokenPolicy.timesOf(defaults, 0, 60 * minute, index / 1000)
    ).map(({ refreshAt }) => refreshAt)
    assert.isAtLeast(Math.max(...moments) - Math.min(...moments), 7.9 * minute)
  })
})

describe("the pace of renewals", () => {
  const times = TokenPolicy.timesOf(defaults, 0, 60 * minute, 0)
  /** How many of these begin, one after the other, in a second that so many others began in. */
  const begin = (at: number, tokens: number, others = 0) => {
    const pacer = TokenPolicy.makePacer()
    for (let count = 0; count < others; count++) pacer.count(at)
    let begun = 0
    for (; begun < tokens && pacer.allows(at, tokens, times); begun++) pacer.count(at)
    return begun
  }
  const middle = (times.refreshAt + times.usableUntil) / 2

  it.each([
    ["three quarters of what renews all within their lead, when they have just become due", times.refreshAt, 6_000, 4],
    ["half as much again, half way to their end", middle, 6_000, 6],
    ["twice as much, at their end", times.usableUntil - 1, 6_000, 8],
    ["one, where that is less than one", times.refreshAt, 3, 1]
  ] as const)("is %s", (_, at, tokens, expected) => {
    assert.strictEqual(begin(at, tokens), expected)
  })

  it("counts what the others begin", () => {
    assert.strictEqual(begin(middle, 6_000, 5), 1)
    assert.strictEqual(begin(middle, 6_000, 60), 0)
  })

  it("is that of each second anew", () => {
    const pacer = TokenPolicy.makePacer()
    const at = times.refreshAt + 999
    pacer.count(at)
    assert.isFalse(pacer.allows(at, 1, times))
    assert.isTrue(pacer.allows(at + 1, 1, times))
  })
})

describe("the pause after a failed refresh", () => {
  const times = TokenPolicy.timesOf(defaults, 0, 60 * minute, 0.5)

  it.prop(
    "is never so long that the token ends first, nor so short that it is a stampede",
    { failures: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })), chance, at: lifetime },
    ({ failures, chance, at }) => {
      const now = at % times.usableUntil
      const next = TokenPolicy.nextRefresh(now, times, failures, outage, chance / 1_000_001)
      assert.isAtMost(next, times.usableUntil)
      if (next < times.usableUntil) assert.isAtLeast(next - now, 1000)
    },
    { arbitrary: { runs: 1000 } }
  )

  it.each([
    [1, 0, 24_000],
    [1, 1, 36_000],
    [2, 0.5, 60_000],
    [3, 0.5, 120_000],
    [9, 0.5, 120_000]
  ])("after failure %i, with dice at %d, is %i ms", (failures, chance, pause) => {
    assert.strictEqual(TokenPolicy.nextRefresh(0, times, failures, outage, chance), pause)
  })
})
