import { AuthError, TokenPolicy } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { outage, refusal } from "../support/tokens.ts"

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

describe("the moments of a token", () => {
  const secondsOf = (lifetime: Duration.Input, chance: number): ReadonlyArray<number> => {
    const times = TokenPolicy.timesOf(defaults, 1_000_000, Duration.toMillis(lifetime), chance)
    const { issuedAt, refreshAt, urgentAt, usableUntil, expiresAt } = times
    return [issuedAt, refreshAt, urgentAt, usableUntil, expiresAt].map((at) => at / 1000)
  }

  it.each([
    ["of an hour", "1 hour", 0, [1000, 3360, 4410, 4560, 4600]],
    ["of an hour, where the dice show their middle", "1 hour", 0.5, [1000, 3120, 4380, 4560, 4600]],
    ["of ten minutes", "10 minutes", 0, [1000, 1280, 1525, 1560, 1600]],
    ["that lives hardly longer than the buffer", "50 seconds", 0, [1000, 1020, 1037.5, 1040, 1050]],
    ["that lives less long", "8 seconds", 0, [1000, 1004, 1007.5, 1008, 1008]]
  ] as const)("%s are these", (_, lifetime, chance, expected) => {
    assert.deepStrictEqual(secondsOf(lifetime, chance), [...expected])
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

  it("lets in who has waited for a hundredth of its lead more, after each second in which not all had their turn", () => {
    const pacer = TokenPolicy.makePacer()
    const lead = 1_000_000
    const allows = (now: number, waited: number) =>
      pacer.allows(now, 1, { refreshAt: now - waited, usableUntil: now - waited + lead })
    const crowded = (now: number) => {
      pacer.count(now)
      assert.isFalse(allows(now, lead / 2))
    }
    crowded(1000)
    assert.isFalse(allows(2000, 9_999))
    assert.isTrue(allows(2000, 10_000))
    crowded(2001)
    assert.isFalse(allows(3000, 19_999))
    assert.isTrue(allows(3999, 20_000))
    // Nobody had to wait who might have begun.
    assert.isFalse(allows(4000, 9_999))
    assert.isTrue(allows(4000, 10_000))
    assert.isTrue(allows(5000, 0))
  })

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

  it.each([
    ["a quarter of what is left", 40_000, 0, 10_000],
    ["a second at least", 2_000, 0, 1_000],
    ["as long as the endpoint asks for", 400_000, 90_000, 90_000],
    ["no longer than the token is used", 400_000, 500_000, 400_000],
    ["no longer than that, also within the last second", 600, 0, 600]
  ])("is %s", (_, left, retryAfter, pause) => {
    const now = times.usableUntil - left
    assert.strictEqual(TokenPolicy.nextRefresh(now, times, 1, retryAfter, 0.5) - now, pause)
  })
})

describe("a failure", () => {
  const busyFor = (retryAfterMillis: number) =>
    new AuthError.AuthError({
      reason: new AuthError.TokenEndpointUnavailable({ endpoint: "e", detail: "busy", attempts: 1, retryAfterMillis })
    })

  it.each([
    ["that may pass, for a second", outage, 1_000],
    ["that may pass, for as long as the endpoint asks for", busyFor(30_000), 30_000],
    ["that may pass, for two minutes at most", busyFor(600_000), 120_000],
    ["that does not pass by itself, for five seconds", refusal, 5_000]
  ])("is repeated where it is one %s", (_, error, millis) => {
    assert.strictEqual(TokenPolicy.failureLasts(defaults, error), millis)
  })
})
