import { describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { JobsClient, JobsClientMemory, layerMemory } from "@flyte-databricks/databricks-jobs/JobsClient"
import { JobsError, JobsUnavailable } from "@flyte-databricks/databricks-jobs/JobsError"
import { toPhaseReport } from "@flyte-databricks/databricks-jobs/RunState"
import { Effect } from "effect"
import { credentialAt } from "./support/headers.ts"
import { jobsClientContract } from "./support/jobsClientContract.ts"

const here = credentialAt("here.cloud.databricks.com")
const elsewhere = credentialAt("elsewhere.cloud.databricks.com")

jobsClientContract("jobs in memory", layerMemory, Effect.succeed(here))

describe("jobs in memory, from the other side", () => {
  it.effect("tell what was submitted, as whom, and take the state they are given", () =>
    Effect.gen(function* () {
      const jobs = yield* JobsClient
      const memory = yield* JobsClientMemory
      const runId = yield* jobs.submit(here, { run_name: "r" }, "t")
      yield* memory.setState(runId, { state: { life_cycle_state: "TERMINATED", result_state: "SUCCESS" } })
      strictEqual(toPhaseReport(yield* jobs.get(here, runId)).phase, "SUCCEEDED")
      const [run] = yield* memory.runs
      deepStrictEqual([run?.body, run?.idempotencyToken, run?.cancelled], [{ run_name: "r" }, "t", false])
      assertEquals(run?.identity, here.identity)
      yield* jobs.cancel(here, runId)
      strictEqual((yield* memory.runs)[0]?.cancelled, true)
    }).pipe(Effect.provide(layerMemory, { local: true }))
  )

  it.effect("belong to one workspace each", () =>
    Effect.gen(function* () {
      const jobs = yield* JobsClient
      const runId = yield* jobs.submit(here, {}, "t")
      strictEqual((yield* Effect.flip(jobs.get(elsewhere, runId)))._tag, "JobsError")
      strictEqual((yield* jobs.submit(elsewhere, {}, "t")) === runId, false)
    }).pipe(Effect.provide(layerMemory, { local: true }))
  )

  it.effect("fail the next call as told, then go on", () =>
    Effect.gen(function* () {
      const jobs = yield* JobsClient
      const memory = yield* JobsClientMemory
      const outage = new JobsError({
        reason: new JobsUnavailable({ operation: "submit a run", instance: "here", detail: "gone" })
      })
      yield* memory.failNext(outage)
      assertEquals(yield* Effect.flip(jobs.submit(here, {}, "t")), outage)
      yield* jobs.submit(here, {}, "t")
      strictEqual((yield* memory.runs).length, 1)
    }).pipe(Effect.provide(layerMemory, { local: true }))
  )
})
