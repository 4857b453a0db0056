import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { RunPlan } from "../../src/index.ts"
import { bearer, get } from "../support/http.ts"
import { digits, jobs, notebook, withWorkspace } from "../support/workspace.ts"

describe("run ids", () => {
  it.effect("are JSON numbers that a double cannot hold, exact in every answer and question", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const reply = yield* api.submit(notebook)
        assert.strictEqual(reply.text, `{"run_id":9007199254740993}`)
        assert.strictEqual(digits((yield* api.get("9007199254740993")).text, "run_id"), "9007199254740993")
        assert.strictEqual((yield* api.cancel("9007199254740993")).status, 200)
        // What is left of the id after a trip through a double names no run.
        const rounded = yield* api.get(`${Number("9007199254740993")}`)
        assert.strictEqual(rounded.json.message, "Run 9007199254740992 does not exist.")
        assert.deepStrictEqual(
          (yield* workspace.runs).map(({ runId }) => runId),
          [9007199254740993n]
        )
      })
    )
  )

  it.effect("are all out of a double's reach: of runs, of jobs and of tasks", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const tasks = ["a", "b"].map((task_key) => ({ task_key, ...notebook }))
        for (const runId of [yield* api.submitted({ tasks }), yield* api.submitted({ tasks })]) {
          const ids = [...(yield* api.get(runId)).text.matchAll(/"(?:run|job)_id":(\d+)/g)].map(([, id = ""]) => id)
          assert.strictEqual(ids.length, 4)
          for (const id of ids) assert.notStrictEqual(`${BigInt(Number(id))}`, id)
        }
      })
    )
  )

  it.effect("begin where the option says", () =>
    withWorkspace(
      { firstRunId: 7n },
      Effect.fnUntraced(function* (workspace) {
        assert.strictEqual((yield* jobs(workspace).submit(notebook)).text, `{"run_id":7}`)
      })
    )
  )

  it.effect.each([
    { runId: "1", message: "Run 1 does not exist." },
    { runId: "", message: "Missing required field: run_id" },
    { runId: "12x", message: "The run_id must be an integer." }
  ])("that name no run are 400: '$runId'", ({ message, runId }) =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const reply = yield* jobs(workspace).get(runId)
        assert.deepStrictEqual(
          [reply.status, reply.json.error_code, reply.json.message],
          [400, "INVALID_PARAMETER_VALUE", message]
        )
      })
    )
  )

  it.effect("forgets the oldest runs once there are too many", () =>
    withWorkspace(
      { keptRuns: 2 },
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const first = yield* api.submitted({ ...notebook, idempotency_token: "t" })
        yield* api.submit(notebook)
        yield* api.submit(notebook)
        assert.strictEqual((yield* api.get(first)).status, 400)
        assert.strictEqual((yield* workspace.runs).length, 2)
        assert.notStrictEqual(yield* api.submitted({ ...notebook, idempotency_token: "t" }), first)
      })
    )
  )
})

describe("an idempotency token", () => {
  it.effect("gives the run that was submitted with it before", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const first = yield* api.submitted({ ...notebook, idempotency_token: "once" })
        const again = yield* api.submitted({ run_name: "renamed", ...notebook, idempotency_token: "once" })
        const other = yield* api.submitted({ ...notebook, idempotency_token: "twice" })
        assert.strictEqual(again, first)
        assert.notStrictEqual(other, first)
        assert.deepStrictEqual(
          (yield* workspace.runs).map(({ idempotencyToken }) => idempotencyToken),
          ["once", "twice"]
        )
      })
    )
  )
})

describe("somebody else's run", () => {
  const denied = /^User bob does not have .* permissions on job \d+$/

  it.effect("is denied to a principal without a right to it, and shown to an admin", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const runId = yield* jobs(workspace).submitted(notebook)
        const bob = jobs(workspace, "bob")
        for (const reply of [yield* bob.get(runId), yield* bob.cancel(runId), yield* bob.output(runId)]) {
          assert.deepStrictEqual([reply.status, reply.json.error_code], [403, "PERMISSION_DENIED"])
          assert.match(reply.json.message, denied)
        }
        assert.strictEqual((yield* jobs(workspace, "admin").get(runId)).status, 200)
        assert.strictEqual((yield* jobs(workspace, "admin").cancel(runId)).status, 200)
      })
    )
  )

  it.effect("may be looked at, or managed, by those the submitter lists", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const grant = (permission_level: string) =>
          jobs(workspace).submitted({
            ...notebook,
            access_control_list: [{ user_name: "bob", permission_level }]
          })
        const bob = jobs(workspace, "bob")
        const viewable = yield* grant("CAN_VIEW")
        assert.strictEqual((yield* bob.get(viewable)).status, 200)
        assert.strictEqual((yield* bob.cancel(viewable)).status, 403)
        const manageable = yield* grant("CAN_MANAGE_RUN")
        assert.strictEqual((yield* bob.cancel(manageable)).status, 200)
      })
    )
  )

  it.effect("is one's own where it runs as oneself", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const runId = yield* jobs(workspace).submitted({ ...notebook, run_as: { user_name: "bob" } })
        const { json } = yield* jobs(workspace, "bob").get(runId)
        assert.deepStrictEqual([json.creator_user_name, json.run_as_user_name], ["ann", "bob"])
        const unknown = yield* jobs(workspace).submit({ ...notebook, run_as: { user_name: "nobody" } })
        assert.match(unknown.json.message, /run_as principal 'nobody' does not exist/)
      })
    )
  )
})

describe("the output of a run", () => {
  const plan = RunPlan.plan("fails", {
    output: { logs: "line 1", error: "ZeroDivisionError", errorTrace: "Traceback" }
  })

  it.effect("is there once the run is over", () =>
    withWorkspace(
      { runPlan: plan },
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace)
        const runId = yield* api.submitted(notebook)
        assert.deepStrictEqual(Object.keys((yield* api.output(runId)).json), ["metadata"])
        yield* TestClock.adjust("1 minute")
        const { json } = yield* api.output(runId)
        assert.deepStrictEqual(
          [json.logs, json.error, json.error_trace, json.metadata.state.result_state],
          ["line 1", "ZeroDivisionError", "Traceback", "FAILED"]
        )
      })
    )
  )

  it.effect("of several tasks is asked for task by task", () =>
    withWorkspace(
      { runPlan: RunPlan.plan("succeeds", { output: { notebookResult: "42" } }) },
      Effect.fnUntraced(function* (workspace) {
        const api = jobs(workspace, "ann", "2.2")
        const tasks = ["a", "b"].map((task_key) => ({ task_key, ...notebook }))
        const runId = yield* api.submitted({ tasks })
        yield* TestClock.adjust("1 minute")
        assert.match((yield* api.output(runId)).json.message, /runs with multiple tasks is not supported/)
        const taskRunId = [...(yield* api.get(runId)).text.matchAll(/"run_id":(\d+)/g)][2]?.[1] ?? ""
        const output = yield* api.output(taskRunId)
        assert.deepStrictEqual(output.json.notebook_output, { result: "42", truncated: false })
        assert.strictEqual(digits(output.text, "run_id"), taskRunId)
        assert.notProperty(output.json, "error")
      })
    )
  )
})

describe("both versions of the API", () => {
  it.effect("show the same runs", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const old = jobs(workspace, "ann", "2.1")
        const current = jobs(workspace, "ann", "2.2")
        const runId = yield* current.submitted({ tasks: [{ task_key: "t", ...notebook }] })
        assert.strictEqual((yield* old.get(runId)).text, (yield* current.get(runId)).text)
      })
    )
  )

  it.effect("are all there is", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ url }) {
        const reply = yield* get(`${url}/api/2.0/jobs/runs/get?run_id=1`, bearer("dapi-ann"))
        assert.deepStrictEqual(
          [reply.status, reply.json],
          [404, { error_code: "ENDPOINT_NOT_FOUND", message: "No API found for 'GET /api/2.0/jobs/runs/get'" }]
        )
      })
    )
  )
})
