/** A workspace that takes its time or is away, and answers that get lost at each hop, over sockets. */
import { assert, describe } from "@effect/vitest"
import { Circuit, RetryPolicy, TokenEndpoint, TokenPolicy } from "@flyte-databricks/databricks-auth"
import { Fault, type FaultAction } from "@flyte-databricks/emulators"
import { KubernetesClient } from "@flyte-databricks/kubernetes"
import type { Log } from "@flyte-databricks/emulators/testing/Log"
import { Duration, Effect, Fiber, Layer, Schedule } from "effect"
import { BackOff } from "../src/call/Faults.ts"
import { SubmissionTimes } from "../src/runs/Submission.ts"
import type { FlyteClient } from "./support/FlyteClient.ts"
import { readMetadata } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import { scenario, type World } from "./support/World.ts"

const submit = { path: "/api/2.1/jobs/runs/submit" }
const token = { path: "/oidc/v1/token" }

// Flyte waits two seconds here in place of ten, and everything else is as much shorter.
const shorter = 5
const timeout = 10_000 / shorter
const seconds = (count: number) => Duration.millis((count * 1000) / shorter)
const references = Layer.mergeAll(
  Layer.succeed(SubmissionTimes, { grace: seconds(20), doubt: seconds(120), end: seconds(4) }),
  Layer.succeed(RetryPolicy.TryTimeout, seconds(16)),
  Layer.succeed(TokenEndpoint.TotalTimeout, seconds(8.5)),
  Layer.succeed(KubernetesClient.RequestTimeout, seconds(30)),
  Layer.succeed(RetryPolicy.RetryPolicy, Schedule.max([Schedule.exponential(seconds(0.2)), Schedule.recurs(4)])),
  Layer.succeed(BackOff, Schedule.min([Schedule.exponential(seconds(0.25)), Schedule.spaced(seconds(2))])),
  // A single client counts, as there is one that needs tokens.
  Layer.succeed(Circuit.CircuitPolicy, {
    clients: 1,
    openFor: Schedule.min([Schedule.exponential(seconds(2)), Schedule.spaced(seconds(10))])
  }),
  Layer.succeed(TokenPolicy.TokenPolicy, {
    ...TokenPolicy.defaults,
    failureTimeToLive: { unavailable: seconds(1), refused: seconds(5) }
  })
)

/** The workspace takes the job at once; its answer has 27 bytes, which come one by one. */
const answersAfter = (time: Duration.Duration) => Fault.slowBody(Duration.times(time, 1 / 27))

/** The workspace does what it is asked, and nobody hears of it. */
const answerLost = Fault.slowBody("1 hour")

const namespaces = ["team-pat", "team-oauth", "team-pat"]

/** As Flyte creates a task: an attempt after the other until one is answered; and what it hears then. */
const createTask = Effect.fnUntraced(function* (flyte: FlyteClient, index: number, attempts: number) {
  const task = { namespace: namespaces[index] ?? "team-pat", node: `n${index}` }
  for (let retryAttempt = 0; retryAttempt < attempts; retryAttempt++) {
    const created = yield* flyte.createTask(tasks.createTask({ ...task, retryAttempt }), { timeout }).pipe(
      Effect.map((meta) => [{ meta, runId: readMetadata(meta)["run_id"] ?? "" }]),
      Effect.catch(() => Effect.succeed([]))
    )
    if (created.length > 0) return created
  }
  return []
})

const createTasks = (flyte: FlyteClient, attempts: number) =>
  Effect.map(
    Effect.forEach(namespaces, (_, index) => createTask(flyte, index, attempts), { concurrency: "unbounded" }),
    (created) => created.flat()
  )

/** The runs that go on, and how many were cancelled. */
const runsOf = (workspace: World["workspace"]) =>
  Effect.map(workspace.runs, (runs) => ({
    going: runs.filter(({ lifeCycleState }) => lifeCycleState === "PENDING").map(({ runId }) => String(runId)),
    ended: runs.filter(({ lifeCycleState }) => lifeCycleState !== "PENDING").length
  }))

/** Every task was heard of, and has one run. */
const eachHasOneRun = Effect.fnUntraced(function* (
  { workspace }: World,
  known: ReadonlyArray<{ readonly runId: string }>
) {
  const { going, ended } = yield* runsOf(workspace)
  assert.lengthOf(known, namespaces.length)
  assert.sameMembers(
    going,
    known.map(({ runId }) => runId)
  )
  assert.strictEqual(ended, 0)
})

/** Waits until so many runs were cancelled that Flyte does not know, for no more than Flyte's thirty seconds. */
const disowned = (log: Log, count: number, why: string) => {
  const seen = new Set<unknown>()
  return log
    .waitFor(({ message, annotations }) => {
      if (annotations["why"] === why && String(message).includes("was cancelled")) seen.add(annotations["runId"])
      return seen.size === count
    })
    .pipe(Effect.timeout(seconds(30)))
}

describe("every task has one run, which Flyte knows,", () => {
  scenario("where a submit takes 1, 5 or 9 of Flyte's ten seconds, and a token 5", ({ workspace, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const create = Effect.fnUntraced(function* (takes: number) {
          const name = `takes-${takes}`
          yield* workspace.faults.add({
            ...submit,
            when: ({ body }) => body.includes(name),
            action: Fault.delay(Duration.seconds(takes))
          })
          const databricksConf = { run_name: name, existing_cluster_id: "0801-120000-abc" }
          return yield* flyte.createTask(tasks.createTask({ node: name, databricksConf }))
        })
        yield* workspace.faults.add({ ...token, action: Fault.delay("5 seconds") })
        const metas = yield* Effect.all(
          [...[1, 5, 9].map(create), flyte.createTask(tasks.createTask({ namespace: "team-oauth", node: "token" }))],
          { concurrency: "unbounded" }
        )
        const { going, ended } = yield* runsOf(workspace)
        assert.sameMembers(
          going,
          metas.map((meta) => readMetadata(meta)["run_id"])
        )
        assert.strictEqual(ended, 0)
      })
    )
  )

  scenario("where a token takes 12: the next attempt has it", (world) =>
    world.serving(
      {},
      ({ flyte }) =>
        Effect.gen(function* () {
          yield* world.workspace.faults.add({ ...token, action: Fault.delay(seconds(12)) })
          yield* eachHasOneRun(world, yield* createTasks(flyte, 3))
        }),
      { references }
    )
  )

  for (const [what, at, path] of [
    ["Databricks to a submit", "workspace", submit.path],
    ["the token endpoint", "workspace", token.path],
    ["Kubernetes", "kubernetes", "*/secrets/*"]
  ] as const) {
    scenario(`where the first answer of ${what} is lost`, (world) =>
      world.serving(
        {},
        ({ flyte }) =>
          Effect.gen(function* () {
            yield* world[at].faults.add({ path, times: 1, action: answerLost })
            yield* eachHasOneRun(world, yield* createTasks(flyte, 1))
          }),
        { references }
      )
    )
  }

  for (const [what, action] of [
    ["503", Fault.status(503)],
    ["connections that are reset", Fault.connectionReset]
  ] as const satisfies ReadonlyArray<readonly [string, FaultAction]>) {
    scenario(`after 20 seconds of ${what}, the token endpoint's too, and three retries`, (world) =>
      world.serving(
        {},
        ({ flyte }) =>
          Effect.gen(function* () {
            const outage = yield* world.workspace.faults.add({ action })
            yield* Effect.forkChild(Effect.delay(world.workspace.faults.remove(outage), seconds(20)))
            const known = yield* createTasks(flyte, 4)
            assert.lengthOf(known, namespaces.length)
            const { going } = yield* runsOf(world.workspace)
            // After a reset there may be a run: it is found and cancelled, by and by.
            assert.includeMembers(
              going,
              known.map(({ runId }) => runId)
            )
          }),
        { references }
      )
    )
  }
})

describe("nothing goes on that Flyte does not know", () => {
  scenario("where a submit takes 12 of Flyte's ten seconds: of three attempts each run is cancelled", (world) =>
    world.serving(
      {},
      ({ flyte, log }) =>
        Effect.gen(function* () {
          yield* world.workspace.faults.add({ ...submit, action: answersAfter(seconds(12)) })
          assert.deepStrictEqual(yield* createTasks(flyte, 3), [])
          yield* disowned(log, 2 * namespaces.length, "superseded")
          yield* disowned(log, namespaces.length, "unclaimed")
          assert.deepStrictEqual(yield* runsOf(world.workspace), { going: [], ended: 3 * namespaces.length })
        }),
      { references }
    )
  )

  scenario("where all answers to an attempt's submits are lost", (world) =>
    world.serving(
      {},
      ({ flyte, log }) =>
        Effect.gen(function* () {
          const lost = yield* world.workspace.faults.add({ ...submit, action: answerLost })
          assert.deepStrictEqual(yield* createTask(flyte, 0, 1), [])
          yield* world.workspace.faults.remove(lost)
          yield* disowned(log, 1, "unclaimed")
          assert.deepStrictEqual(yield* runsOf(world.workspace), { going: [], ended: 1 })
        }),
      { references }
    )
  )

  scenario("where the answer to a create is lost on its way to Flyte", (world) =>
    world.serving(
      {},
      ({ flyte, log }) =>
        Effect.gen(function* () {
          yield* flyte.createTask(tasks.createTask())
          const next = yield* flyte.createTask(tasks.createTask({ retryAttempt: 1 }))
          yield* disowned(log, 1, "superseded")
          assert.deepStrictEqual(yield* runsOf(world.workspace), { going: [readMetadata(next)["run_id"]], ended: 1 })
        }),
      { references }
    )
  )

  scenario("where its connection broke in the midst of a create", (world) =>
    world.serving(
      {},
      ({ flyte, log }) =>
        Effect.gen(function* () {
          const gate = yield* world.workspace.faults.hold(submit)
          const call = yield* Effect.forkChild(flyte.createTask(tasks.createTask()))
          yield* gate.arrived
          yield* Fiber.interrupt(call)
          yield* log.waitFor(({ annotations }) => annotations["outcome"] === "cancelled by the caller")
          yield* gate.release
          const next = yield* flyte.createTask(tasks.createTask({ retryAttempt: 1 }))
          yield* disowned(log, 1, "superseded")
          assert.deepStrictEqual(yield* runsOf(world.workspace), { going: [readMetadata(next)["run_id"]], ended: 1 })
        }),
      { references }
    )
  )

  scenario("and a run that Flyte asked for goes on, whatever attempt comes next", ({ workspace, serving }) =>
    serving(
      {},
      ({ flyte }) =>
        Effect.gen(function* () {
          const first = yield* flyte.createTask(tasks.createTask())
          yield* flyte.getTask(first)
          yield* flyte.createTask(tasks.createTask({ retryAttempt: 1 }))
          yield* flyte.createTask(tasks.createTask({ node: "n1" }))
          assert.lengthOf((yield* runsOf(workspace)).going, 3)
        }),
      { references }
    )
  )
})

describe("a run that Flyte knows", () => {
  for (const [call, path] of [
    ["getTask", "/api/2.1/jobs/runs/get"],
    ["deleteTask", "/api/2.1/jobs/runs/cancel"]
  ] as const) {
    scenario(`is heard of by ${call} though the first answer of Databricks is lost`, ({ workspace, serving }) =>
      serving(
        {},
        ({ flyte, log }) =>
          Effect.gen(function* () {
            const meta = yield* flyte.createTask(tasks.createTask())
            yield* workspace.faults.add({ path, times: 1, action: answerLost })
            yield* flyte[call](meta, { timeout })
            assert.strictEqual(log.calls().at(-1)?.annotations["outcome"], "ok")
            assert.strictEqual(yield* workspace.requests.count({ path }), 2)
          }),
        { references }
      )
    )
  }
})
