/** The client over HTTP, against a workspace that stands in for Databricks. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as JobsClient from "@flyte-databricks/databricks-jobs/JobsClient"
import type { RunId } from "@flyte-databricks/databricks-jobs/RunId"
import { type Phase, toPhaseReport } from "@flyte-databricks/databricks-jobs/RunState"
import { DatabricksWorkspace, Fault, RunPlan } from "@flyte-databricks/emulators"
import { Effect, Layer, Ref } from "effect"
import { FetchHttpClient, type HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { credentialAt, type Invalidation, tokens } from "./support/headers.ts"
import { jobsClientContract } from "./support/jobsClientContract.ts"

const workspace = DatabricksWorkspace.layer({
  users: [{ userName: "ann@example.com", pats: ["dapi-old", "dapi-new"] }]
})

const layerOver = (http: Layer.Layer<HttpClient.HttpClient>) =>
  JobsClient.layer.pipe(
    Layer.provide([
      Layer.unwrap(
        Effect.map(Ref.make<ReadonlyArray<Invalidation>>([]), (invalidations) =>
          tokens(["dapi-old", "dapi-new"], invalidations)
        )
      ),
      http
    ]),
    Layer.provideMerge(workspace)
  )

const overUndici = layerOver(NodeHttpClient.layerUndici)
const overFetch = layerOver(FetchHttpClient.layer)

const credential = Effect.map(DatabricksWorkspace.DatabricksWorkspace, ({ url }) => credentialAt(url))

const body = { existing_cluster_id: "c", spark_python_task: { python_file: "dbfs:/a.py" }, run_name: "r" }

describe.each([
  ["undici", overUndici],
  ["fetch", overFetch]
])("over %s", (_name, layer) => {
  jobsClientContract("the Jobs API", layer, credential)

  const test = (
    what: string,
    run: (
      jobs: JobsClient.JobsClient["Service"],
      ws: DatabricksWorkspace.DatabricksWorkspace["Service"],
      as: ReturnType<typeof credentialAt>
    ) => Effect.Effect<void, unknown>
  ) =>
    it.effect(what, () =>
      Effect.gen(function* () {
        yield* run(yield* JobsClient.JobsClient, yield* DatabricksWorkspace.DatabricksWorkspace, yield* credential)
      }).pipe(Effect.provide(layer, { local: true }))
    )

  test("a token that is revoked between two calls is replaced without anybody noticing", (jobs, ws, as) =>
    Effect.gen(function* () {
      const runId = yield* jobs.submit(as, body, "token-1")
      yield* ws.revokePat("dapi-old")
      yield* jobs.get(as, runId)
      const gets = yield* ws.requests.all({ path: "/api/2.1/jobs/runs/get" })
      assert.deepStrictEqual(
        gets.map(({ headers }) => headers["authorization"]),
        ["Bearer dapi-old", "Bearer dapi-new"]
      )
    }))

  test("a redirect is not followed, with or without credentials", (jobs, ws, as) =>
    Effect.gen(function* () {
      const headers = { location: `${ws.url}/login.html` }
      yield* ws.faults.add({ path: "/api/*", action: Fault.status(307, { headers, body: "" }) })
      const error = yield* Effect.flip(jobs.submit(as, body, "token-1"))
      assert.include(error.message, `redirects to ${ws.url}/login.html, which is not followed`)
      assert.strictEqual(yield* ws.requests.count({}), 1)
    }))

  test("whatever stands before the workspace, the answer is an error that says so", (jobs, ws, as) =>
    Effect.gen(function* () {
      const cases = [
        [Fault.html(), "ResponseInvalid"],
        [Fault.malformedJson, "ResponseInvalid"],
        [Fault.emptyBody(), "ResponseInvalid"],
        [Fault.endlessBody, "ResponseInvalid"],
        [Fault.truncatedBody, "JobsUnavailable"],
        [Fault.connectionReset, "JobsUnavailable"],
        [Fault.status(429, { headers: { "retry-after": "3" } }), "JobsUnavailable"],
        [Fault.status(503), "JobsUnavailable"]
      ] as const
      for (const [action, tag] of cases) {
        yield* ws.faults.add({ path: "/api/*", times: 1, action })
        const error = yield* Effect.flip(jobs.submit(as, body, "token-1"))
        assert(error._tag === "JobsError")
        assert.strictEqual(error.reason._tag, tag, error.message)
        assert.isTrue(error.retryable)
      }
      // None of them did any harm.
      yield* jobs.submit(as, body, "token-1")
      assert.strictEqual((yield* ws.runs).length, 1)
    }))

  test("a workspace that is gone is unavailable", (jobs) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(jobs.submit(credentialAt("http://127.0.0.1:9"), body, "token-1"))
      assert(error._tag === "JobsError" && error.reason._tag === "JobsUnavailable")
      assert.isNotEmpty(error.reason.detail)
    }))
})

describe("a run from its submit to its end", () => {
  const phaseOf = (runId: RunId) =>
    Effect.gen(function* () {
      const jobs = yield* JobsClient.JobsClient
      return toPhaseReport(yield* jobs.get(yield* credential, runId)).phase
    })

  it.effect.each<[outcome: "succeeds" | "fails" | "times-out" | "internal-error" | "cloud-failure", end: Phase]>([
    ["succeeds", "SUCCEEDED"],
    ["fails", "FAILED"],
    ["times-out", "FAILED"],
    ["internal-error", "RETRYABLE_FAILED"],
    ["cloud-failure", "RETRYABLE_FAILED"]
  ])("that %s is %s", ([outcome, end]) =>
    Effect.gen(function* () {
      const ws = yield* DatabricksWorkspace.DatabricksWorkspace
      const plan = RunPlan.plan(outcome, { queued: "1 second", pending: "1 second", running: "1 second" })
      yield* ws.setRunPlanForName("r", plan)
      const jobs = yield* JobsClient.JobsClient
      const runId = yield* jobs.submit(yield* credential, body, "token-1")
      const phases = [yield* phaseOf(runId)]
      for (let second = 0; second < 10; second++) {
        yield* TestClock.adjust("1 second")
        phases.push(yield* phaseOf(runId))
      }
      assert.deepStrictEqual([...new Set(phases)], ["QUEUED", "INITIALIZING", "RUNNING", end])
    }).pipe(Effect.provide(overUndici, { local: true }))
  )

  it.effect("that is cancelled is FAILED", () =>
    Effect.gen(function* () {
      const jobs = yield* JobsClient.JobsClient
      const as = yield* credential
      const runId = yield* jobs.submit(as, body, "token-1")
      yield* jobs.cancel(as, runId)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* phaseOf(runId), "FAILED")
    }).pipe(Effect.provide(overUndici, { local: true }))
  )
})
