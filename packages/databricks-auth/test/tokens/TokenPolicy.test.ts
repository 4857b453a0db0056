import { TokenPolicy } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"

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
  const begin = (tokens: number, others = 0) => {
    const pacer = TokenPolicy.makePacer()
    for (let count = 0; count < others; count++) pacer.count(times.refreshAt)
    let begun = 0
    for (; begun < tokens && pacer.allows(times.refreshAt, tokens, times); begun++) pacer.count(times.refreshAt)
    return begun
  }

  it.each([
    ["a fifth more than what renews all within their lead", 6_000, 6],
    ["rounded up", 6_001, 7],
    ["one a second at least", 3, 1]
  ] as const)("is %s", (_, tokens, expected) => {
    assert.strictEqual(begin(tokens), expected)
  })

  it("counts what the others begin", () => {
    assert.strictEqual(begin(6_000, 5), 1)
    assert.strictEqual(begin(6_000, 60), 0)
  })

  it("is that of each second anew", () => {
    const pacer = TokenPolicy.makePacer()
    const at = times.refreshAt + 999
    pacer.count(at - 500)
    assert.isTrue(pacer.allows(at + 1, 1, times))
    pacer.count(at + 1)
    assert.isFalse(pacer.allows(at + 500, 1, times))
  })

  /** In each second these ask, one after the other, and one may begin; how long ago were those due who did? */
  const crowd = (
    pacer: ReturnType<typeof TokenPolicy.makePacer>,
    seconds: ReadonlyArray<number>,
    waited: ReadonlyArray<number>
  ) =>
    seconds.map((second) => {
      const at = 10_000_000 + second * 1000
      return waited.filter((share) => {
        const lead = 1_200_000
        const refreshAt = at - share * lead
        const allowed = pacer.allows(at, 1, { refreshAt, usableUntil: refreshAt + lead })
        if (allowed) pacer.count(at)
        return allowed
      })
    })
  const seconds = Array.from({ length: 100 }, (_, second) => second)

  it("gives whoever has waited longest the first turn, once there is a crowd, whoever asks first", () => {
    const begun = crowd(TokenPolicy.makePacer(), seconds, [0, 0.1, 0.5, 0.5]).map(([share]) => share)
    assert.strictEqual(begun[0], 0)
    assert.isTrue(begun.slice(0, 5).includes(0.1))
    assert.deepStrictEqual(begun.slice(20, 40), Array(20).fill(0.5))
  })

  it("remembers nothing of seconds in which nobody had to wait", () => {
    const pacer = TokenPolicy.makePacer()
    crowd(pacer, seconds, [0])
    const after = seconds.map((second) => second + 100)
    assert.deepStrictEqual(
      crowd(pacer, after, [0, 0.1, 0.5, 0.5]),
      crowd(TokenPolicy.makePacer(), after, [0, 0.1, 0.5, 0.5])
    )
  })

  it("lets those that have just become due begin again when the crowd is gone", () => {
    const pacer = TokenPolicy.makePacer()
    crowd(pacer, seconds, [0, 0, 0.5, 0.5])
    const after = seconds.map((second) => second + 100)
    const begun = crowd(pacer, after, [0])
    assert.lengthOf(begun[0]!, 0)
    assert.lengthOf(begun.at(-1)!, 1)
    assert.isAtLeast(begun.filter(({ length }) => length === 1).length, 40)
  })
})

describe("the pause after a failed refresh", () => {
  const times = TokenPolicy.timesOf(defaults, 0, 60 * minute, 0.5)

  it.prop(
    "is never so long that the token ends first, nor so short that it is a stampede",
    { failures: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })), chance, at: lifetime },
    ({ failures, chance, at }) => {
      const now = at % times.usableUntil
      const next = TokenPolicy.nextRefresh(now, times, failures, 0, chance / 1_000_001)
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
    assert.strictEqual(TokenPolicy.nextRefresh(0, times, failures, 0, chance), pause)
  })
})
