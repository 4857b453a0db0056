import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { RunPlan } from "../../src/index.ts"
import { digits, jobs, notebook, withWorkspace } from "../support/workspace.ts"

describe("a run's life", () => {
  it.effect("goes from PENDING to RUNNING to its result as Effect's clock moves", () =>
    withWorkspace(
      { runPlan: RunPlan.plan("succeeds", { queued: "5 seconds", pending: "10 seconds", running: "1 minute" }) },
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const runId = yield* api.submitted({ run_name: "nightly", ...notebook })
        const seen = Effect.map(api.get(runId), ({ json }) => [json.state.life_cycle_state, json.status.state])

        assert.deepStrictEqual(yield* seen, ["QUEUED", "QUEUED"])
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* seen, ["PENDING", "PENDING"])
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(yield* seen, ["RUNNING", "RUNNING"])
        yield* TestClock.adjust("59 seconds")
        assert.deepStrictEqual(yield* seen, ["RUNNING", "RUNNING"])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* seen, ["TERMINATED", "TERMINATED"])

        const { json } = yield* api.get(runId)
        assert.strictEqual(json.state.result_state, "SUCCESS")
        assert.deepStrictEqual(json.status.termination_details, { code: "SUCCESS", type: "SUCCESS", message: "" })
        assert.deepStrictEqual([json.start_time, json.end_time, json.run_duration], [0, 75_000, 75_000])
      })
    )
  )

  it.effect("shows who it runs as, its page and its tasks", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const submitted = {
          run_name: "two",
          tasks: [
            { task_key: "a", ...notebook },
            { task_key: "b", ...notebook }
          ]
        }
        const runId = yield* api.submitted(submitted)
        const { json, text } = yield* api.get(runId)
        assert.deepStrictEqual([json.creator_user_name, json.run_as_user_name], ["ann", "ann"])
        assert.deepStrictEqual([json.run_name, json.run_type, json.format], ["two", "SUBMIT_RUN", "MULTI_TASK"])
        assert.deepStrictEqual(
          json.tasks.map((task: { task_key: string; notebook_task: object }) => [task.task_key, task.notebook_task]),
          [
            ["a", notebook.notebook_task],
            ["b", notebook.notebook_task]
          ]
        )
        assert.strictEqual(
          json.run_page_url,
          `${workspace.url}/?o=${workspace.workspaceId}#job/${digits(text, "job_id")}/run/${runId}`
        )
      })
    )
  )

  it.effect.each([
    { outcome: "fails", state: ["TERMINATED", "FAILED"], code: "RUN_EXECUTION_ERROR", type: "CLIENT_ERROR" },
    { outcome: "times-out", state: ["TERMINATED", "TIMEDOUT"], code: "CANCELED", type: "CLIENT_ERROR" },
    { outcome: "is-skipped", state: ["SKIPPED", undefined], code: "SKIPPED", type: "CLIENT_ERROR" },
    { outcome: "internal-error", state: ["INTERNAL_ERROR", "FAILED"], code: "INTERNAL_ERROR", type: "INTERNAL_ERROR" },
    { outcome: "cloud-failure", state: ["TERMINATED", "FAILED"], code: "CLOUD_FAILURE", type: "CLOUD_FAILURE" }
  ] as const)("ends as planned for its name: $outcome", ({ code, outcome, state, type }) =>
    withWorkspace(
      { runPlans: { doomed: RunPlan.plan(outcome, { message: "because" }) } },
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const doomed = yield* api.submitted({ run_name: "doomed", ...notebook })
        const other = yield* api.submitted({ run_name: "other", ...notebook })
        yield* TestClock.adjust("1 hour")
        const { json } = yield* api.get(doomed)
        assert.deepStrictEqual([json.state.life_cycle_state, json.state.result_state], state)
        assert.strictEqual(json.state.state_message, "because")
        assert.deepStrictEqual(json.status, {
          state: "TERMINATED",
          termination_details: { code, type, message: "because" }
        })
        assert.strictEqual((yield* api.get(other)).json.state.result_state, "SUCCESS")
      })
    )
  )

  it.effect("can be in a state that no client knows, and never end", () =>
    withWorkspace(
      {
        runPlans: {
          novel: {
            phases: [
              { lifeCycleState: "HIBERNATING", message: "zzz", for: Duration.seconds(5) },
              { lifeCycleState: "WAITING_FOR_RETRY" }
            ]
          }
        }
      },
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const runId = yield* api.submitted({ run_name: "novel", ...notebook })
        const first = yield* api.get(runId)
        assert.strictEqual(first.json.state.life_cycle_state, "HIBERNATING")
        yield* TestClock.adjust("1000 days")
        const later = yield* api.get(runId)
        assert.deepStrictEqual(
          [later.json.state.life_cycle_state, later.json.status.state],
          ["WAITING_FOR_RETRY", "WAITING"]
        )
      })
    )
  )

  it.effect("can be given another plan while it runs", () =>
    withWorkspace(
      { runPlan: RunPlan.plan("never-ends") },
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const runId = yield* api.submitted(notebook)
        yield* TestClock.adjust("1 day")
        assert.strictEqual((yield* api.get(runId)).json.state.life_cycle_state, "RUNNING")
        yield* workspace.setRunPlan(BigInt(runId), RunPlan.plan("fails", { pending: 0, running: "3 seconds" }))
        assert.strictEqual((yield* api.get(runId)).json.state.life_cycle_state, "RUNNING")
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual((yield* api.get(runId)).json.state.result_state, "FAILED")
      })
    )
  )

  it.effect("is cut off by its own timeout_seconds", () =>
    withWorkspace(
      { runPlan: RunPlan.plan("never-ends") },
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const runId = yield* api.submitted({ ...notebook, timeout_seconds: 60 })
        yield* TestClock.adjust("59 seconds")
        assert.strictEqual((yield* api.get(runId)).json.state.life_cycle_state, "RUNNING")
        yield* TestClock.adjust("1 second")
        const { json } = yield* api.get(runId)
        assert.strictEqual(json.state.result_state, "TIMEDOUT")
        assert.strictEqual(json.end_time, 60_000)
      })
    )
  )
})

describe("cancelling", () => {
  it.effect("is asynchronous: TERMINATING first, then CANCELED", () =>
    withWorkspace(
      { cancelDuration: "30 seconds" },
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const runId = yield* api.submitted(notebook)
        yield* TestClock.adjust("2 seconds")
        const reply = yield* api.cancel(runId)
        assert.deepStrictEqual([reply.status, reply.json], [200, {}])
        yield* TestClock.adjust("29 seconds")
        assert.strictEqual((yield* api.get(runId)).json.state.life_cycle_state, "TERMINATING")
        // Asking again changes nothing.
        assert.strictEqual((yield* api.cancel(runId)).status, 200)
        yield* TestClock.adjust("1 second")
        const { json } = yield* api.get(runId)
        assert.deepStrictEqual(
          [json.state.life_cycle_state, json.state.result_state, json.state.user_cancelled_or_timedout],
          ["TERMINATED", "CANCELED", true]
        )
        assert.strictEqual(json.status.termination_details.code, "USER_CANCELED")
        assert.strictEqual(json.end_time, 32_000)
      })
    )
  )

  it.effect("leaves a run alone that is over", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const runId = yield* api.submitted(notebook)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* api.cancel(runId)).status, 200)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* api.get(runId)).json.state.result_state, "SUCCESS")
      })
    )
  )

  it.effect("takes the id as a string of digits too, and knows a run that is not there", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const runId = yield* api.submitted(notebook)
        assert.strictEqual((yield* api.cancel(`"${runId}"`)).status, 200)
        const missing = yield* api.cancel("5")
        assert.deepStrictEqual([missing.status, missing.json.message], [400, "Run 5 does not exist."])
        const none = yield* api.cancel("null")
        assert.strictEqual(none.status, 400)
      })
    )
  )
})
