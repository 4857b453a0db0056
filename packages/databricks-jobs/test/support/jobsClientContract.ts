import { describe, it } from "@effect/vitest"
import { assertEquals, assertTrue, strictEqual } from "@effect/vitest/utils"
import type { AuthError } from "@flyte-databricks/databricks-auth/AuthError"
import type { Credential } from "@flyte-databricks/databricks-auth/Credential"
import { JobsClient } from "@flyte-databricks/databricks-jobs/JobsClient"
import type { JobsError } from "@flyte-databricks/databricks-jobs/JobsError"
import { RunId } from "@flyte-databricks/databricks-jobs/RunId"
import { toPhaseReport } from "@flyte-databricks/databricks-jobs/RunState"
import { Effect, type Layer } from "effect"

const body = { existing_cluster_id: "c", spark_python_task: { python_file: "dbfs:/a.py" }, run_name: "r" }
const unknownRun = RunId.make("4611686018427387905")

/** What every implementation of `JobsClient` does. */
export const jobsClientContract = <R = never>(
  name: string,
  layer: Layer.Layer<JobsClient | R, unknown>,
  credential: Effect.Effect<Credential, never, R>
) =>
  describe(`JobsClient: ${name}`, () => {
    const test = (what: string, run: (jobs: JobsClient["Service"], as: Credential) => Effect.Effect<void, unknown>) =>
      it.effect(what, () =>
        Effect.gen(function* () {
          yield* run(yield* JobsClient, yield* credential)
        }).pipe(Effect.provide(layer, { local: true }))
      )

    test("submits a run and tells how it is doing", (jobs, as) =>
      Effect.gen(function* () {
        const runId = yield* jobs.submit(as, body, "token-1")
        assertTrue(["QUEUED", "INITIALIZING"].includes(toPhaseReport(yield* jobs.get(as, runId)).phase))
      }))

    test("keeps run ids past 2^53 apart", (jobs, as) =>
      Effect.gen(function* () {
        const ids = yield* Effect.forEach(["a", "b", "c"], (token) => jobs.submit(as, body, token))
        strictEqual(new Set(ids).size, 3)
        for (const id of ids) {
          assertTrue(BigInt(id) > 2n ** 53n)
          yield* jobs.get(as, id)
        }
      }))

    test("submits once for the same idempotency token, whatever token the body brings", (jobs, as) =>
      Effect.gen(function* () {
        const first = yield* jobs.submit(as, body, "token-1")
        strictEqual(yield* jobs.submit(as, { ...body, idempotency_token: "of the task" }, "token-1"), first)
        assertTrue((yield* jobs.submit(as, { ...body, idempotency_token: "token-1" }, "token-2")) !== first)
      }))

    test("cancels a run, also twice", (jobs, as) =>
      Effect.gen(function* () {
        const runId = yield* jobs.submit(as, body, "token-1")
        yield* jobs.cancel(as, runId)
        yield* jobs.cancel(as, runId)
        const { state } = yield* jobs.get(as, runId)
        assertTrue(["TERMINATING", "TERMINATED"].includes(state?.life_cycle_state ?? ""))
      }))

    test("has the output of a run, empty as long as there is none", (jobs, as) =>
      Effect.gen(function* () {
        assertEquals(yield* jobs.output(as, yield* jobs.submit(as, body, "token-1")), {})
      }))

    test("knows no run that was never submitted", (jobs, as) =>
      Effect.gen(function* () {
        const calls: ReadonlyArray<Effect.Effect<unknown, AuthError | JobsError>> = [
          jobs.get(as, unknownRun),
          jobs.cancel(as, unknownRun),
          jobs.output(as, unknownRun)
        ]
        for (const call of calls) {
          const error = yield* Effect.flip(call)
          assertEquals(error._tag === "JobsError" && error.reason._tag, "RunNotFound")
          assertTrue(error.message.includes(unknownRun))
        }
      }))
  })
