/** A run's life: started once, and followed through its phases. */
import { assert, describe } from "@effect/vitest"
import { Fault, type RunPlan } from "@flyte-databricks/emulators"
import { Effect } from "effect"
import { phaseOf } from "./support/FlyteClient.ts"
import { readMetadata, refusal } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import { scenario } from "./support/World.ts"

type Phase = RunPlan.RunPhase

describe("Flyte is told", () => {
  const ended = (resultState: string, message?: string): Phase => ({
    lifeCycleState: "TERMINATED",
    resultState,
    ...(message === undefined ? {} : { message })
  })
  const phases: ReadonlyArray<readonly [expected: string, phase: Phase]> = [
    ["QUEUED", { lifeCycleState: "QUEUED", message: "Queued behind others" }],
    ["INITIALIZING", { lifeCycleState: "PENDING", message: "Waiting for cluster" }],
    ["RUNNING", { lifeCycleState: "RUNNING", message: "In run" }],
    ["RUNNING", { lifeCycleState: "TERMINATING", message: "Cancelling" }],
    ["SUCCEEDED", ended("SUCCESS")],
    ["FAILED", ended("FAILED", "Workload failed, see run output for details")],
    ["FAILED", ended("TIMEDOUT", "Timed out")],
    ["ABORTED", ended("CANCELED", "Run cancelled.")],
    ["FAILED", { lifeCycleState: "SKIPPED", message: "Skipped" }],
    ["RETRYABLE_FAILED", { lifeCycleState: "INTERNAL_ERROR", message: "The cluster could not be started" }],
    ["RUNNING", { lifeCycleState: "HIBERNATING", message: "A word that nobody knows yet" }]
  ]

  for (const [expected, phase] of phases) {
    const state = [phase.lifeCycleState, phase.resultState].filter((word) => word !== undefined).join(" ")
    scenario(`${expected} for ${state}, with what Databricks says and a link to the run`, ({ workspace, serving }) =>
      serving({}, ({ flyte, log }) =>
        Effect.gen(function* () {
          const resourceMeta = yield* flyte.createTask(tasks.createTask())
          const [run] = yield* workspace.runs
          yield* workspace.setRunPlan(run?.runId ?? 0n, { phases: [phase] })
          const resource = yield* flyte.getTask(resourceMeta)
          assert.strictEqual(phaseOf(resource), expected)
          assert.include(resource.message, phase.message ?? "")
          assert.deepStrictEqual(
            resource.logLinks.map(({ name, uri }) => [name, uri]),
            [["Databricks Console", `${workspace.url}/#job/${run?.jobId}/run/${run?.runId}`]]
          )
          assert.strictEqual(log.calls().at(-1)?.annotations["phase"], expected)
        })
      )
    )
  }
})

describe("an attempt", () => {
  scenario(
    "is one run however often Flyte creates it, also after a restart and at the same time",
    ({ workspace, serving }) =>
      Effect.gen(function* () {
        const create = tasks.createTask()
        const first = yield* serving({}, ({ flyte }) => flyte.createTask(create))
        const more = yield* serving({}, ({ flyte }) =>
          Effect.forEach([1, 2, 3, 4], () => flyte.createTask(create), { concurrency: "unbounded" })
        )
        assert.deepStrictEqual(more, [first, first, first, first])
        assert.strictEqual((yield* workspace.runs).length, 1)
      })
  )

  const others: ReadonlyArray<readonly [what: string, task: tasks.TaskOptions]> = [
    ["the next attempt", { retryAttempt: 1 }],
    ["another execution", { execution: "f0c1d2e4" }],
    ["another node", { node: "n1" }]
  ]
  for (const [what, task] of others) {
    scenario(`shares no run with ${what}`, ({ workspace, serving }) =>
      serving({}, ({ flyte }) =>
        Effect.gen(function* () {
          const first = readMetadata(yield* flyte.createTask(tasks.createTask()))
          const second = readMetadata(yield* flyte.createTask(tasks.createTask(task)))
          assert.notStrictEqual(first["run_id"], second["run_id"])
          assert.strictEqual((yield* workspace.runs).length, 2)
        })
      )
    )
  }

  scenario("is one run although the workspace's first answer got lost", ({ workspace, serving }) =>
    serving({}, (connector) =>
      Effect.gen(function* () {
        const create = connector.flyte.createTask(tasks.createTask())
        const slow = yield* workspace.faults.add({
          path: "/api/2.1/jobs/runs/submit",
          action: Fault.slowBody("1 hour")
        })
        const lost = yield* refusal(connector, connector.flyte.createTask(tasks.createTask(), { timeout: 2000 }))
        assert.strictEqual(lost.code, "DEADLINE_EXCEEDED")
        yield* workspace.faults.remove(slow)
        const [run, ...more] = yield* workspace.runs
        assert.strictEqual(readMetadata(yield* create)["run_id"], String(run?.runId))
        assert.deepStrictEqual(more, [])
      })
    )
  )

  scenario("is told from others by Flyte's execution, not by what its author writes", ({ workspace, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        yield* flyte.createTask(tasks.createTask())
        const [first] = yield* workspace.runs
        const databricksConf = { existing_cluster_id: "c", idempotency_token: first?.idempotencyToken ?? "" }
        yield* flyte.createTask(tasks.createTask({ execution: "of-another-author", databricksConf }))
        assert.strictEqual((yield* workspace.runs).length, 2)
      })
    )
  )

  scenario("without an execution id is refused: it would share a run with every other such task", (world) =>
    world.serving({}, (connector) =>
      Effect.gen(function* () {
        const { code, details } = yield* refusal(
          connector,
          connector.flyte.createTask(tasks.createTask({ execution: "" }))
        )
        assert.strictEqual(code, "INVALID_ARGUMENT")
        assert.include(details, "task_execution_metadata.task_execution_id")
        assert.deepStrictEqual(yield* world.workspace.runs, [])
      })
    )
  )
})

describe("creating", () => {
  const submitPath = "/api/2.1/jobs/runs/submit"

  scenario("rides out a hiccup: a create that fails costs one of the task's retries", ({ workspace, serving }) =>
    serving({}, ({ flyte, log }) =>
      Effect.gen(function* () {
        yield* workspace.faults.add({ path: submitPath, times: 2, action: Fault.status(503) })
        yield* flyte.createTask(tasks.createTask())
        assert.strictEqual(yield* workspace.requests.count({ path: submitPath }), 3)
        assert.strictEqual((yield* workspace.runs).length, 1)
        assert.strictEqual(log.calls()[0]?.annotations["outcome"], "ok")
      })
    )
  )

  scenario("gives up after the patience that was set", ({ workspace, serving }) =>
    serving({ FLYTE_DATABRICKS_CREATE_PATIENCE: "0 seconds" }, (connector) =>
      Effect.gen(function* () {
        yield* workspace.faults.add({ path: submitPath, action: Fault.status(503) })
        const { code } = yield* refusal(connector, connector.flyte.createTask(tasks.createTask()))
        assert.strictEqual(code, "UNAVAILABLE")
        assert.strictEqual(yield* workspace.requests.count({ path: submitPath }), 1)
      })
    )
  )

  scenario("does not wait for an identity as long as the caller would", ({ workspace, serving }) =>
    serving({ FLYTE_DATABRICKS_CREATE_PATIENCE: "2 seconds" }, (connector) =>
      Effect.gen(function* () {
        yield* workspace.faults.hold({ path: "/oidc/v1/token" })
        const create = connector.flyte.createTask(tasks.createTask({ namespace: "team-oauth" }))
        const { code, details } = yield* refusal(connector, create)
        assert.strictEqual(code, "DEADLINE_EXCEEDED")
        assert.include(
          details,
          "CreateTask was given up after 2.0 s, FLYTE_DATABRICKS_CREATE_PATIENCE, while waiting for a token of"
        )
      })
    )
  )
})
