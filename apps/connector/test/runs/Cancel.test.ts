/** Cancelling: Flyte asks until it hears yes, also for runs that are over, and a no blocks the task's next attempt. */
import { assert, describe } from "@effect/vitest"
import { Fault } from "@flyte-databricks/emulators"
import { Effect, Layer, Schedule } from "effect"
import { BackOff } from "../../src/call/Faults.ts"
import { phaseOf } from "../support/FlyteClient.ts"
import { refusal, tampered } from "../support/outcomes.ts"
import * as tasks from "../support/tasks.ts"
import { scenario, teamPat, type World, withConnectorPat } from "../support/World.ts"

const cancelPath = "/api/2.1/jobs/runs/cancel"
const over = { lifeCycleState: "TERMINATED", resultState: "SUCCESS" }

const end = (workspace: World["workspace"]) =>
  Effect.flatMap(workspace.runs, ([run]) => workspace.setRunPlan(run?.runId ?? 0n, { phases: [over] }))

describe("is a success", () => {
  scenario("for a run under way, once and again", ({ workspace, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        yield* flyte.deleteTask(resourceMeta)
        yield* flyte.deleteTask(resourceMeta)
        const [run] = yield* workspace.runs
        assert.strictEqual(run?.lifeCycleState, "TERMINATING")
        assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "RUNNING")
      })
    )
  )

  scenario("for a run that is over, and changes nothing", ({ workspace, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        yield* end(workspace)
        yield* flyte.deleteTask(resourceMeta)
        assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "SUCCEEDED")
      })
    )
  )

  scenario("for a run that was seen to be over, also once its identity is gone", ({ workspace, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        yield* end(workspace)
        yield* flyte.getTask(resourceMeta)
        yield* workspace.revokePat(teamPat.token)
        yield* flyte.deleteTask(resourceMeta)
        assert.strictEqual(yield* workspace.requests.count({ path: cancelPath }), 0)
      })
    )
  )

  scenario("for a run that a workspace which fails over does not know for a moment, and cancels it", (world) =>
    world.serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        const body = { error_code: "RESOURCE_DOES_NOT_EXIST", message: "Run does not exist." }
        yield* world.workspace.faults.add({ path: cancelPath, times: 1, action: Fault.status(404, { body }) })
        yield* flyte.deleteTask(resourceMeta)
        const [run] = yield* world.workspace.runs
        assert.strictEqual(run?.lifeCycleState, "TERMINATING")
      })
    )
  )

  scenario("for a run that Databricks does not know any more", ({ serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const resourceMeta = tampered(yield* flyte.createTask(tasks.createTask()), { run_id: "404" })
        yield* flyte.deleteTask(resourceMeta)
        yield* flyte.deleteTask(resourceMeta)
      })
    )
  )

  for (const [status, error_code] of [
    [400, "INVALID_STATE"],
    [403, "PERMISSION_DENIED"]
  ] as const) {
    scenario(`for a run that is over, where Databricks says ${status} to it`, ({ workspace, serving }) =>
      serving({}, ({ flyte }) =>
        Effect.gen(function* () {
          const resourceMeta = yield* flyte.createTask(tasks.createTask())
          yield* end(workspace)
          yield* workspace.faults.add({
            path: cancelPath,
            action: Fault.status(status, { body: { error_code, message: "no" } })
          })
          yield* flyte.deleteTask(resourceMeta)
        })
      )
    )
  }

  scenario("after a hiccup, which Flyte does not hear of", ({ workspace, serving }) =>
    serving({}, ({ flyte, log }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        yield* workspace.faults.add({ path: cancelPath, times: 2, action: Fault.status(503) })
        yield* flyte.deleteTask(resourceMeta)
        assert.strictEqual((yield* workspace.runs)[0]?.lifeCycleState, "TERMINATING")
        assert.strictEqual(log.calls().at(-1)?.annotations["outcome"], "ok")
      })
    )
  )
})

describe("is refused, and the answer names the run and how to end it by hand,", () => {
  const byHand = (details: string) => {
    assert.include(details, "Run 9007199254740993 was not cancelled")
    assert.include(details, 'or with "databricks jobs cancel-run 9007199254740993"')
  }

  scenario("where Databricks does not let the identity do it", ({ workspace, serving }) =>
    serving({}, (connector) =>
      Effect.gen(function* () {
        const { flyte } = connector
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        const page = (yield* flyte.getTask(resourceMeta)).logLinks[0]?.uri ?? assert.fail("no link")
        yield* workspace.faults.add({
          path: cancelPath,
          action: Fault.status(403, { body: { error_code: "PERMISSION_DENIED", message: "no right to manage" } })
        })
        const { code, details, line } = yield* refusal(connector, flyte.deleteTask(resourceMeta))
        assert.deepStrictEqual([code, line?.annotations["outcome"]], ["PERMISSION_DENIED", "PermissionDenied"])
        byHand(details)
        assert.include(details, "no right to manage")
        assert.include(details, `end it on its page, ${page},`)
      })
    )
  )

  scenario("where the identity's token is refused", ({ workspace, serving }) =>
    serving(withConnectorPat, (connector) =>
      Effect.gen(function* () {
        const resourceMeta = yield* connector.flyte.createTask(tasks.createTask())
        yield* workspace.revokePat(teamPat.token)
        const { code, details } = yield* refusal(connector, connector.flyte.deleteTask(resourceMeta))
        assert.strictEqual(code, "UNAUTHENTICATED")
        byHand(details)
      })
    )
  )

  for (const [what, action] of [
    ["503", Fault.status(503)],
    ["200 with an error", Fault.json({ error_code: "INTERNAL_ERROR", message: "boom" })]
  ] as const) {
    scenario(`where Databricks goes on saying ${what}`, ({ workspace, serving }) =>
      serving(
        {},
        (connector) =>
          Effect.gen(function* () {
            const resourceMeta = yield* connector.flyte.createTask(tasks.createTask())
            yield* workspace.faults.add({ path: cancelPath, action })
            const { code, details } = yield* refusal(connector, connector.flyte.deleteTask(resourceMeta))
            assert.strictEqual(code, "UNAVAILABLE")
            byHand(details)
            assert.strictEqual(yield* workspace.requests.count({ path: cancelPath }), 2)
          }),
        { references: Layer.succeed(BackOff, Schedule.recurs(1)) }
      )
    )
  }
})
