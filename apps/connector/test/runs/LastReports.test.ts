import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { type Known, make, type RunKey } from "../../src/runs/LastReports.ts"
import type { RunReport } from "../../src/runs/RunReport.ts"

const report = (message: string): RunReport => ({ phase: "RUNNING", message, link: Option.none(), info: {} })
const run = (id: number): RunKey => `dbc-a1b2.cloud.databricks.com ${id}`

const nothing: Known = { report: undefined, submittedAt: undefined, faultySince: undefined, missingSince: undefined }

describe("what is known of a run", () => {
  it("is its last report, and since when polls of it fail", () => {
    const reports = make()
    assert.deepStrictEqual(reports.of(run(1)), nothing)
    assert.strictEqual(reports.failed(run(1), 5), 5)
    reports.reported(run(1), report("in run"))
    assert.deepStrictEqual(reports.of(run(1)), { ...nothing, report: report("in run") })
    assert.strictEqual(reports.failed(run(1), 7), 7)
    assert.strictEqual(reports.failed(run(1), 9), 7)
    assert.deepStrictEqual(reports.of(run(1)), { ...nothing, report: report("in run"), faultySince: 7 })
    assert.deepStrictEqual(reports.of(run(2)), nothing)
  })

  it("is when it was submitted, until it is heard of", () => {
    const reports = make()
    reports.submitted(run(1), report("submitted"), 3)
    assert.deepStrictEqual(reports.of(run(1)), { ...nothing, report: report("submitted"), submittedAt: 3 })
    reports.failed(run(1), 4)
    assert.strictEqual(reports.of(run(1)).submittedAt, 3)
    reports.reported(run(1), report("in run"))
    assert.strictEqual(reports.of(run(1)).submittedAt, undefined)
  })

  it("is since when the workspace does not know it, whatever else fails meanwhile", () => {
    const reports = make()
    assert.strictEqual(reports.missing(run(1), 5), 5)
    reports.failed(run(1), 6)
    assert.strictEqual(reports.missing(run(1), 7), 5)
    assert.deepStrictEqual(reports.of(run(1)), { ...nothing, faultySince: 6, missingSince: 5 })
    reports.reported(run(1), report("in run"))
    assert.strictEqual(reports.missing(run(1), 9), 9)
  })

  it("is forgotten when more runs are followed than there is room for, the one longest not polled first", () => {
    const reports = make({ entries: 3, characters: 1000 })
    for (const id of [1, 2, 3]) reports.reported(run(id), report(`${id}`))
    reports.failed(run(1), 5)
    reports.reported(run(4), report("4"))
    const known = [1, 2, 3, 4].map((id) => reports.of(run(id)).report?.message)
    assert.deepStrictEqual(known, ["1", undefined, "3", "4"])
  })

  it("is forgotten where reports are long, too: what a workspace says does not fill the memory", () => {
    const reports = make({ entries: 100, characters: 1000 })
    for (const id of [1, 2, 3]) {
      reports.reported(run(id), {
        ...report("m".repeat(150)),
        info: { run_name: "n".repeat(150) },
        link: Option.some("l".repeat(100))
      })
    }
    assert.deepStrictEqual(
      [1, 2, 3].map((id) => reports.of(run(id)).report !== undefined),
      [false, true, true]
    )
    // One that grows makes others leave, and takes their room; one that is too much by itself is known until the next.
    reports.reported(run(2), report("m".repeat(5000)))
    assert.deepStrictEqual(
      [2, 3].map((id) => reports.of(run(id)).report !== undefined),
      [true, false]
    )
    reports.reported(run(4), report("short"))
    assert.deepStrictEqual(
      [2, 4].map((id) => reports.of(run(id)).report?.message),
      [undefined, "short"]
    )
  })
})
