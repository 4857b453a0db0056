/** A run's life: started once, and followed through its phases. */
import { create } from "@bufbuild/protobuf"
import { assert, describe } from "@effect/vitest"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { Fault, RunPlan } from "@flyte-databricks/emulators"
import { Effect } from "effect"
import { phaseOf } from "../support/FlyteClient.ts"
import { readMetadata, refusal } from "../support/outcomes.ts"
import * as tasks from "../support/tasks.ts"
import { scenario, teamPat, withConnectorPat } from "../support/World.ts"

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
    ["FAILED", ended("CANCELED", "Run cancelled.")],
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
          if (phase.lifeCycleState === "HIBERNATING") assert.include(resource.message, "HIBERNATING")
          assert.deepStrictEqual(
            resource.logLinks.map(({ name, uri }) => [name, uri]),
            [["Databricks Console", `${workspace.url}/#job/${run?.jobId}/run/${run?.runId}`]]
          )
          assert.strictEqual(log.calls().at(-1)?.annotations["phase"], expected)
          const { start_time, end_time, ...info } = resource.customInfo ?? {}
          assert.match(String(start_time), /^20\d\d-\d\d-\d\dT[\d:.]+Z$/)
          assert.strictEqual(end_time !== undefined, RunPlan.hasEnded(phase))
          assert.deepStrictEqual(info, {
            databricks_instance: workspace.url,
            run_id: String(run?.runId),
            job_id: String(run?.jobId),
            run_name: "nightly",
            run_page_url: info["run_page_url"] ?? "a page",
            run_as: teamPat.user,
            creator: teamPat.user,
            auth_type: "pat",
            identity: "owner of the PAT",
            life_cycle_state: phase.lifeCycleState,
            ...(info["result_state"] === undefined ? {} : { result_state: info["result_state"] })
          })
        })
      )
    )
  }
})

describe("a run that failed says why:", () => {
  const failed = { lifeCycleState: "TERMINATED", resultState: "FAILED", message: "Workload failed, see run output" }
  const output = {
    error: "ValueError: no rows",
    errorTrace: '\u001b[0;31mTraceback\u001b[0m (most recent call last):\n  File "etl.py", line 7'
  }
  const outputPath = "/api/2.1/jobs/runs/get-output"

  scenario("what its code raised, with the head of the trace, asked for once", ({ workspace, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        const [run] = yield* workspace.runs
        yield* workspace.setRunPlan(run?.runId ?? 0n, { phases: [failed], output })
        const first = yield* flyte.getTask(resourceMeta)
        assert.strictEqual(phaseOf(first), "FAILED")
        assert.strictEqual(
          first.message,
          "Workload failed, see run output; terminated with RUN_EXECUTION_ERROR, CLIENT_ERROR\n" +
            'ValueError: no rows\nTraceback (most recent call last):\n  File "etl.py", line 7'
        )
        assert.deepStrictEqual(yield* flyte.getTask(resourceMeta), first)
        assert.strictEqual(yield* workspace.requests.count({ path: outputPath }), 1)
      })
    )
  )

  for (const [which, other] of [
    ["which", "SUCCESS"],
    ["the one that failed and not the one that was cancelled", "CANCELED"]
  ] as const) {
    scenario(`of several tasks, ${which}`, ({ workspace, serving }) =>
      serving({}, ({ flyte }) =>
        Effect.gen(function* () {
          yield* workspace.faults.add({
            path: "/api/2.1/jobs/runs/get",
            action: Fault.json({
              state: { life_cycle_state: "TERMINATED", result_state: "FAILED", state_message: "Task load failed" },
              tasks: [
                { task_key: "extract", run_id: 100, state: { life_cycle_state: "TERMINATED", result_state: other } },
                { task_key: "load", run_id: 101, state: { life_cycle_state: "TERMINATED", result_state: "FAILED" } }
              ]
            })
          })
          yield* workspace.faults.add({ path: outputPath, action: Fault.json({ error: "boom" }) })
          const resourceMeta = yield* flyte.createTask(tasks.createTask())
          const { message } = yield* flyte.getTask(resourceMeta)
          assert.strictEqual(message, "Task load failed\nTask load: FAILED\nboom")
          const [asked] = yield* workspace.requests.all({ path: outputPath })
          assert.include(asked?.query, "run_id=101")
        })
      )
    )
  }

  scenario("cancelled, without a question for its output: there is none", ({ workspace, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        const [run] = yield* workspace.runs
        const cancelled = { ...failed, resultState: "CANCELED", message: "Run cancelled by ann@example.com" }
        yield* workspace.setRunPlan(run?.runId ?? 0n, { phases: [cancelled] })
        const { message } = yield* flyte.getTask(resourceMeta)
        assert.strictEqual(message, "Run cancelled by ann@example.com; terminated with USER_CANCELED, CLIENT_ERROR")
        assert.strictEqual(yield* workspace.requests.count({ path: outputPath }), 0)
      })
    )
  )

  for (const [what, action] of [
    ["cannot be had", Fault.status(403)],
    ["does not come", Fault.slowBody("1 hour")]
  ] as const) {
    scenario(`as far as it is known, where its output ${what}`, ({ workspace, serving }) =>
      serving({}, ({ flyte }) =>
        Effect.gen(function* () {
          const resourceMeta = yield* flyte.createTask(tasks.createTask())
          const [run] = yield* workspace.runs
          yield* workspace.setRunPlan(run?.runId ?? 0n, { phases: [failed], output })
          yield* workspace.faults.add({ path: outputPath, action })
          const resource = yield* flyte.getTask(resourceMeta, { timeout: 3000 })
          assert.strictEqual(phaseOf(resource), "FAILED")
          assert.include(resource.message, "Workload failed")
          assert.include(resource.message, "(Its output could not be read: ")
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

  scenario("of a caller from before execution ids is told from others by where its outputs go", (world) =>
    world.serving(withConnectorPat, ({ flyte }) =>
      Effect.gen(function* () {
        const asked = (outputPrefix: string) => {
          const { template } = tasks.fields()
          return flyte.createTask(create(Flyte1.CreateTaskRequestSchema, { template, outputPrefix }))
        }
        const first = yield* asked("s3://flyte/billing-production-f0c1/n0/data/0")
        assert.deepStrictEqual(yield* asked("s3://flyte/billing-production-f0c1/n0/data/0"), first)
        const second = yield* asked("s3://flyte/billing-production-f0c1/n0/data/1")
        assert.notStrictEqual(readMetadata(second)["run_id"], readMetadata(first)["run_id"])
        assert.strictEqual((yield* world.workspace.runs).length, 2)
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

  scenario("does not give up a run that may be there: the answer was lost, and is asked for again", (world) =>
    world.serving({ FLYTE_DATABRICKS_CREATE_PATIENCE: "0 seconds" }, ({ flyte }) =>
      Effect.gen(function* () {
        yield* world.workspace.faults.add({ path: submitPath, times: 2, action: Fault.truncatedBody })
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        const [run, ...others] = yield* world.workspace.runs
        assert.strictEqual(readMetadata(resourceMeta)["run_id"], String(run?.runId))
        assert.isEmpty(others)
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
