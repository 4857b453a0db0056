import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { hasEnded, Outcome, phaseAt, phasesOf, plan } from "../../src/databricks/jobs/RunPlan.ts"

const millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 }))
const order = ["QUEUED", "PENDING", "RUNNING", "TERMINATED", "SKIPPED", "INTERNAL_ERROR"]

describe("a plan", () => {
  it.prop(
    "never goes back, lasts as long as its phases, and stays over once it is over",
    { outcome: Outcome, queued: millis, pending: millis, running: millis, earlier: millis, wait: millis },
    ({ earlier, outcome, pending, queued, running, wait }) => {
      const phases = phasesOf(plan(outcome, { queued, pending, running }))
      const before = phaseAt(phases, earlier)
      const after = phaseAt(phases, earlier + wait)
      assert.isAtLeast(order.indexOf(after.phase.lifeCycleState), order.indexOf(before.phase.lifeCycleState))
      assert.isAtMost(before.since, earlier)
      const end = outcome === "is-skipped" ? queued : queued + pending + running
      assert.strictEqual(hasEnded(before.phase), outcome !== "never-ends" && earlier >= end)
      if (hasEnded(before.phase)) assert.strictEqual(before.since, end)
    }
  )

  it("takes no time over a phase that lasts none", () => {
    const phases = phasesOf(plan("succeeds", { queued: 0, pending: 0, running: 0 }))
    assert.strictEqual(phaseAt(phases, 0).phase.resultState, "SUCCESS")
  })

  it("stays in its last phase, whatever that is", () => {
    const last = { lifeCycleState: "B", for: Duration.seconds(1) }
    const phases = [{ lifeCycleState: "A", for: Duration.seconds(1) }, last]
    assert.deepStrictEqual(phaseAt(phases, 60_000), { phase: last, since: 1000 })
  })
})
