import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { Capacity, LastReports, layer, type RunKey } from "../../src/runs/LastReports.ts"
import type { RunReport } from "../../src/runs/RunReport.ts"

const report = (message: string): RunReport => ({ phase: "RUNNING", message, link: Option.none(), info: {} })
const run = (id: number): RunKey => `dbc-a1b2.cloud.databricks.com ${id}`

const ofCapacity = (capacity: number) => Layer.provide(layer, Layer.succeed(Capacity, capacity))

describe("what is known of a run", () => {
  it.effect("is its last report, and since when polls of it fail", () =>
    Effect.gen(function* () {
      const reports = yield* LastReports
      assert.deepStrictEqual(reports.of(run(1)), { report: undefined, faultySince: undefined })
      assert.strictEqual(reports.failed(run(1), 5), 5)
      reports.reported(run(1), report("in run"))
      assert.deepStrictEqual(reports.of(run(1)), { report: report("in run"), faultySince: undefined })
      assert.strictEqual(reports.failed(run(1), 7), 7)
      assert.strictEqual(reports.failed(run(1), 9), 7)
      assert.deepStrictEqual(reports.of(run(1)), { report: report("in run"), faultySince: 7 })
      assert.deepStrictEqual(reports.of(run(2)), { report: undefined, faultySince: undefined })
    }).pipe(Effect.provide(layer))
  )

  it.effect("is forgotten when more runs are followed than there is room for, the one longest not polled first", () =>
    Effect.gen(function* () {
      const reports = yield* LastReports
      for (const id of [1, 2, 3]) reports.reported(run(id), report(`${id}`))
      reports.failed(run(1), 5)
      reports.reported(run(4), report("4"))
      const known = [1, 2, 3, 4].map((id) => reports.of(run(id)).report?.message)
      assert.deepStrictEqual(known, ["1", undefined, "3", "4"])
    }).pipe(Effect.provide(ofCapacity(3)))
  )
})
