import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { model, policies } from "../day/peers.ts"
import { judge } from "../day/report.ts"
import { simulate } from "../day/simulate.ts"
import { summarise, Tally } from "../day/tally.ts"
import { type Day, makeWorkload } from "../day/workload.ts"

const hour = 3600
/** Twenty identities that are there from the start, for two hours and a half, and an outage that no token outlasts. */
const day: Day = {
  identities: 20,
  seconds: 2.5 * hour,
  rampUp: 0,
  outage: { from: 0.5 * hour, to: 1.5 * hour },
  restart: 2 * hour
}
const quiet: Day = { ...day, outage: { from: 0, to: 0 }, restart: undefined }
const all = { from: 0, to: day.seconds }
// Steps of a second are enough for what is counted here.
const simulated = (day: Day, outage: Parameters<typeof simulate>[1] = "answers 503") => simulate(day, outage, "1", 1000)

describe("a tally", () => {
  it("knows what an identity had when a call came", () => {
    const tally = new Tally(1, 10_000)
    assert.strictEqual(tally.called(0, 0), "none")
    tally.granted(0, 0)
    assert.strictEqual(tally.called(0, 3_559_000), "good")
    assert.strictEqual(tally.called(0, 3_560_000), "ran out")
    tally.granted(0, 3_600_000)
    assert.strictEqual(tally.called(0, 3_700_000), "good")
    assert.strictEqual(tally.called(0, 9_000_000), "none")
    tally.restart()
    assert.strictEqual(tally.called(0, 9_000_001), "none")
    assert.strictEqual(tally.calls, 6)
  })

  it("counts requests by the second, and calls that waited or failed by when they came", () => {
    const tally = new Tally(1, 100)
    for (const at of [1_000, 1_999, 2_000, 99_999, 100_000]) tally.request(at)
    tally.ended(1_500, 1_500, false, "good")
    tally.ended(1_500, 4_500, false, "none")
    tally.ended(2_500, 2_500, true, "ran out")
    assert.deepStrictEqual(summarise(tally, { from: 0, to: 2 }), {
      requests: 2,
      mean: 1,
      largest: 2,
      waited: { good: 0, "ran out": 0, none: 1 },
      failed: { good: 0, "ran out": 0, none: 0 },
      longestWaitMillis: 3_000
    })
    assert.strictEqual(summarise(tally, { from: 2, to: 100 }).failed["ran out"], 1)
    assert.strictEqual(summarise(tally, { from: 0, to: 100 }).requests, 4)
  })
})

describe("a workload", () => {
  it("asks about each identity at a moment of its own, every hundred seconds", () => {
    const workload = makeWorkload(quiet, 1000, () => 0.5)
    const calls = Array.from({ length: 1_000 }, (_, second) => workload.callers(second + 1))
    const moments = calls.flatMap((callers, second) => (callers.includes(7) ? [second + 1] : []))
    assert.deepStrictEqual(moments, [50, 150, 250, 350, 450, 550, 650, 750, 850, 950])
  })
})

describe("a simulated day", () => {
  it.effect("is the real core's: each identity waits for its first token, and for no other", () =>
    Effect.gen(function* () {
      const { tally } = yield* simulated(quiet)
      const { failed, longestWaitMillis, requests, waited } = summarise(tally, all)
      assert.deepStrictEqual(failed, { good: 0, "ran out": 0, none: 0 })
      assert.deepStrictEqual({ ...waited, none: 0 }, { good: 0, "ran out": 0, none: 0 })
      assert.isAtLeast(waited.none, 19)
      assert.isAtMost(longestWaitMillis, 1_000)
      // One request at first, then one every 31 to 41 minutes; one of the twenty is asleep most of the time.
      assert.isAtLeast(requests, 19 * 4)
      assert.isAtMost(requests, 20 * 5)
      assert.isAtLeast(tally.calls, (19 * quiet.seconds) / 100)
    })
  )

  it.effect("shows callers who fail once their tokens run out, and everybody at once after a restart", () =>
    Effect.gen(function* () {
      const { logged, tally } = yield* simulated(day)
      const before = summarise(tally, { from: 100, to: day.outage.from })
      assert.deepStrictEqual([before.failed.good, before.failed.none], [0, 0])
      const during = summarise(tally, day.outage)
      assert.strictEqual(during.failed.good, 0)
      assert.isAbove(during.failed["ran out"], 50)
      assert.isAbove(logged, 0)
      assert.isAtLeast(summarise(tally, { from: 2 * hour, to: 2 * hour + 2 }).largest, 19)
      // Tokens are in memory: after the restart nobody has a good one.
      const { ranOut, withGoodToken } = judge(day, tally)
      assert.strictEqual(withGoodToken, 0)
      assert.isAbove(ranOut, 50)
    })
  )

  it.effect("shows callers who wait when the endpoint hangs", () =>
    Effect.gen(function* () {
      const { tally } = yield* simulated(day, "hangs")
      assert.isAtLeast(summarise(tally, day.outage).longestWaitMillis, 4_000)
    })
  )

  it.effect("is the same with the same seed", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* simulated(day), yield* simulated(day)]
      assert.deepStrictEqual(one.tally.requests, other.tally.requests)
      assert.deepStrictEqual(one.tally.troubles, other.tally.troubles)
    })
  )

  it.effect("asks under the policies of others as often as under this project's", () =>
    Effect.gen(function* () {
      const { tally } = yield* simulated(quiet)
      for (const policy of policies) {
        const peer = yield* model(policy, quiet, "1", 1000)
        assert.strictEqual(peer.calls, tally.calls)
        const { waited } = summarise(peer, all)
        // Without a renewal ahead, somebody waits for every token.
        assert.strictEqual(waited["ran out"] + waited.good > 0, policy.lead === undefined, policy.name)
      }
    })
  )
})
