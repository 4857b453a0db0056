/**
 * A stage on which Flyte's own connectors play, in Python: processes behind a socket. Time is virtual for Flyte and for the
 * workspace, and stands still while a process works: while a call is under way, each tenth of a second takes a while, and
 * the rest of the time none. The processes keep no time and remember nothing, so one that is cut off is one that starts anew.
 */
import { DatabricksWorkspace, Fault, type FaultRule } from "@flyte-databricks/emulators"
import { Context, Deferred, Duration, Effect, Fiber, FileSystem, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as FlyteClient from "../support/FlyteClient.ts"
import * as PythonConnector from "../support/PythonConnector.ts"
import { within } from "./Deployment.ts"
import type { Call } from "./Flyte.ts"
import type { Order } from "./orders.ts"
import { succeeds } from "./plans.ts"
import { nameOf, play, type Scenario, type Stage, type Trouble } from "./Scenario.ts"
import { principals, scenarioTeam } from "./teams.ts"

type Flyte = Order["version"]

/** A workspace, and the connectors of both versions before it. */
export class Theirs extends Context.Service<
  Theirs,
  {
    readonly workspace: DatabricksWorkspace.DatabricksWorkspace["Service"]
    readonly ports: Readonly<Record<Flyte, number>>
  }
>()("@flyte-databricks/connector/test/Theirs") {}

const make = Effect.fnUntraced(function* (python: string) {
  const files = yield* FileSystem.FileSystem
  const caFile = `${yield* files.makeTempDirectoryScoped()}/ca.pem`
  const workspace = yield* DatabricksWorkspace.make({ tls: { caFile }, users: principals.users })
  const token = scenarioTeam.secrets?.["databricks_token"] ?? ""
  const serve = (module: "python_connector" | "python_connector2") =>
    PythonConnector.serve(
      python,
      { SSL_CERT_FILE: caFile, _FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN: token },
      PythonConnector.current,
      module
    )
  const [one, two] = yield* Effect.all([serve("python_connector"), serve("python_connector2")], { concurrency: 2 })
  return Theirs.of({ workspace, ports: { "Flyte 1": one, "Flyte 2": two } })
})

export const layer = (python: string) => Layer.effect(Theirs, make(python))

const missing = { error_code: "RESOURCE_DOES_NOT_EXIST", message: "Run does not exist." }
// Of `{"run_id":9007199254740993}`.
const answerBytes = 27

const ruleOf = (trouble: Trouble): FaultRule => {
  switch (trouble.what) {
    case "nobody there":
      return { action: Fault.connectionReset }
    case "run not found":
      return { path: "/api/2.1/jobs/runs/get", action: Fault.status(404, { body: missing }) }
    case "slow":
      // A run is there before its answer is, whoever waits for it.
      return trouble.calls === "all"
        ? { action: Fault.delay(Duration.seconds(trouble.seconds)) }
        : { path: "/api/2.1/jobs/runs/submit", action: Fault.slowBody(Duration.seconds(trouble.seconds / answerBytes)) }
  }
}

const unreachable = new FlyteClient.CallFailed({ code: "UNAVAILABLE", details: "connection refused" })

// Each of these asks the workspace once.
const asks = /(Create|Get|Delete)Task$/

/** A process that calls get through to, unless it is gone. */
const connect = Effect.fnUntraced(function* (port: number) {
  const { call } = yield* FlyteClient.make(`127.0.0.1:${port}`, [])
  let isThere = true
  let underWay = 0
  let sent = 0
  let cut = yield* Deferred.make<never, FlyteClient.CallFailed>()
  const counted = <A, E>(isAsked: boolean, call: Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        underWay++
        if (isAsked) sent++
      }),
      () => call,
      () => Effect.sync(() => underWay--)
    )
  const through: Call = (method, request, timeoutMillis) =>
    Effect.suspend(() =>
      isThere
        ? within(
            timeoutMillis,
            counted(
              asks.test(method.path),
              Effect.raceFirst(call(method, request, { timeout: Infinity }), Deferred.await(cut))
            )
          )
        : Effect.fail(unreachable)
    )
  const restart = Effect.fnUntraced(function* (after: Duration.Input) {
    isThere = false
    yield* Deferred.fail(cut, unreachable)
    yield* Effect.sleep(after)
    cut = yield* Deferred.make<never, FlyteClient.CallFailed>()
    isThere = true
  })
  return { call: through, restart, underWay: () => underWay, sent: () => sent }
})

const over = ["TERMINATED", "INTERNAL_ERROR", "SKIPPED"]

const aWhile = TestClock.withLive(Effect.sleep("3 millis"))

/** Plays a scenario with Flyte's own connector. */
export const playTheirs = Effect.fnUntraced(function* (name: string, scenario: Scenario, flyte: Flyte) {
  const { workspace, ports } = yield* Theirs
  const prefix = `${flyte}, ${name}, `
  for (let task = 0; task < scenario.tasks; task++) {
    yield* workspace.setRunPlanForName(nameOf(task, prefix), scenario.plan?.(task) ?? succeeds)
  }
  let arrived = 0
  yield* workspace.faults.add({ when: () => ++arrived < 0, action: Fault.delay(0) })
  for (const trouble of scenario.troubles ?? []) {
    const { from = 0, until } = trouble
    const lasts = Effect.flatMap(workspace.faults.add(ruleOf(trouble)), (id) =>
      until === undefined ? Effect.void : Effect.delay(workspace.faults.remove(id), Duration.seconds(until - from))
    )
    yield* Effect.forkScoped(from === 0 ? lasts : Effect.delay(lasts, Duration.seconds(from)))
  }
  const runs = Effect.map(workspace.runs, (all) =>
    all
      .filter(({ runName = "" }) => runName.startsWith(prefix))
      .map(({ runId, runName = "", creator, lifeCycleState, resultState }) => ({
        runId: String(runId),
        task: runName,
        attempt: 0,
        principal: creator,
        resultState,
        from: 0,
        until: over.includes(lifeCycleState) ? 0 : Infinity
      }))
  )
  const { call, restart, underWay, sent } = yield* connect(ports[flyte])
  // Where one of several is gone, the others are there.
  const isAlone = (scenario.replicas ?? 1) === 1
  const connector = { restart: (after: Duration.Input) => restart(isAlone ? after : 0), update: restart(0) }
  // Without a namespace there is nothing to look up in Kubernetes.
  const custom = { ...scenarioTeam.custom, databricksInstance: new URL(workspace.url).host }
  const team = { ...scenarioTeam, namespace: "", custom }
  const stage: Stage = { call, connector, team, runs, prefix }
  const playing = yield* Effect.forkScoped(play(scenario, flyte, stage))
  let settled = 0
  while (playing.pollUnsafe() === undefined) {
    // What has not reached the workspace yet, the process works at. For what has, it may be the workspace that takes its time.
    for (let waited = 0; underWay() > 0 && waited < (arrived + settled < sent() ? 100 : 4); waited++) yield* aWhile
    if (underWay() === 0) settled = sent() - arrived
    yield* TestClock.adjust("100 millis")
  }
  yield* workspace.faults.clear
  return yield* Fiber.join(playing)
}, Effect.scoped)
