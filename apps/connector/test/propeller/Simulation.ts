/**
 * Flyte, the connector, Databricks and Kubernetes in one process and on one virtual clock: what happens in hours takes
 * seconds, and happens the same way again with the same seed.
 */
import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { JobsClient } from "@flyte-databricks/databricks-jobs"
import { Clock, ConfigProvider, Duration, Effect, Fiber, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import * as ConnectorServer from "../../src/cli/ConnectorServer.ts"
import * as MetadataKey from "../../src/runs/MetadataKey.ts"
import * as Audit from "../../src/audit/Audit.ts"
import * as DatabricksConnector from "../../src/DatabricksConnector.ts"
import * as Deployment from "./Deployment.ts"
import * as Executor from "./Executor.ts"
import * as Faults from "./faults.ts"
import { flyte1, flyte2 } from "./Flyte.ts"
import { type Draw, drawOrders, type Order } from "./orders.ts"
import * as Tally from "./Tally.ts"
import type { Ended } from "./Task.ts"
import { cluster, environment, files } from "./teams.ts"
import * as Wire from "./Wire.ts"
import * as Workspace from "./Workspace.ts"

/** What happens to the connector and around it while tasks run. */
export interface Scenario extends Draw {
  readonly tasks: number
  readonly replicas: number
  /** The share of all calls to Databricks, its token endpoint and Kubernetes in which something goes wrong. */
  readonly faults: number
  /** How many attempts Flyte makes at a task; by default five. */
  readonly attempts?: number
  /** What befalls calls to Databricks for certain. */
  readonly weather?: Faults.Weather
  /** How long Kubernetes takes for an answer; by default a moment. */
  readonly kubernetesTakes?: Duration.Input
  /** What becomes of answers on their way to Flyte, by the method's path; by default they arrive. */
  readonly way?: (path: string) => Effect.Effect<Deployment.Way>
  /** What else happens, beside the tasks. */
  readonly events?: (world: {
    readonly deployment: Deployment.Deployment
    readonly setFaults: (probability: number) => Effect.Effect<void>
  }) => Effect.Effect<void, unknown>
}

/** One start of the connector. */
export const connector = Effect.fnUntraced(function* (
  workspace: Workspace.Workspace,
  probability: Effect.Effect<number>,
  tally: Tally.Tally,
  { weather = () => undefined, kubernetesTakes }: Pick<Scenario, "weather" | "kubernetesTakes">,
  process: Deployment.Process
) {
  const config = ConfigProvider.fromEnv({ env: { FLYTE_DATABRICKS_INSTANCE: workspace.instance, ...environment } })
  const layer = DatabricksConnector.layer.pipe(
    Layer.provide([JobsClient.layer, MetadataKey.layerNone, Audit.layerNone]),
    Layer.provide(DatabricksAuth.layerConfig),
    Layer.provide([
      Faults.kubernetes(cluster, probability, tally, kubernetesTakes),
      Faults.http(workspace.answer, probability, tally, (call) => (process.isAlive ? weather(call) : Faults.silence)),
      files
    ]),
    Layer.provide(ConfigProvider.layer(config))
  )
  // Replicas share nothing.
  const context = yield* Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), yield* Effect.scope)
  return Wire.make(
    yield* ConnectorServer.services.pipe(
      Effect.provideContext(context),
      Effect.provide([Logger.layer([outcomes(tally)]), ConfigProvider.layer(config)])
    )
  )
})

// The log line of a call says what it came to, also where Flyte did not hear it.
const outcomes = (tally: Tally.Tally) =>
  Logger.make(({ fiber }) => {
    const outcome = fiber.getRef(References.CurrentLogAnnotations)["outcome"]
    if (typeof outcome === "string") Effect.runSync(tally.count(`log: ${outcome}`))
  })

/** What came of a simulation, seen from Flyte and seen from the workspace. */
export interface Outcome {
  readonly ended: ReadonlyArray<Ended>
  readonly runs: ReadonlyArray<Workspace.Run>
  readonly tally: Tally.Tally
  readonly lasted: Duration.Duration
  /** When the runs were looked at, in milliseconds. */
  readonly lookedAt: number
}

const accidents = { refusedEvents: 0.08, staleCopies: 0.02, doubleCreates: 0.04, doublePolls: 0.05 }

/** Runs a scenario to its end. */
export const run = Effect.fnUntraced(function* (scenario: Scenario) {
  const orders = yield* drawOrders(scenario.tasks, scenario)
  const byName = new Map(orders.map((order) => [order.name, order]))
  const tally = Tally.make()
  let probability = scenario.faults
  const workspace = yield* Workspace.make((task, attempt) => planOf(byName.get(task), attempt))
  const deployment = yield* Deployment.make(
    scenario.replicas,
    (process) =>
      connector(
        workspace,
        Effect.sync(() => probability),
        tally,
        scenario,
        process
      ),
    scenario.way ?? (() => Effect.succeed("arrives"))
  )
  const habits = { ...accidents, attempts: scenario.attempts ?? 5 }
  const executors = {
    "Flyte 1": yield* Executor.make(flyte1(deployment.call), tally, habits),
    "Flyte 2": yield* Executor.make(flyte2(deployment.call), tally, habits)
  }
  yield* Effect.forEach(Object.values(executors), ({ watch }) => Effect.forkScoped(watch))
  const events = yield* Effect.forkScoped(
    scenario.events?.({
      deployment,
      setFaults: (changed) =>
        Effect.sync(() => {
          probability = changed
        })
    }) ?? Effect.void
  )
  const tasks = yield* Effect.forkScoped(
    Effect.forEach(orders, (order) => executors[order.version].runTask(order), { concurrency: "unbounded" })
  )
  while (tasks.pollUnsafe() === undefined) yield* TestClock.adjust("10 seconds")
  const lasted = Duration.millis(yield* Clock.currentTimeMillis)
  yield* Fiber.join(events)
  // Runs that were cancelled last are over by then.
  yield* TestClock.adjust("1 minute")
  const lookedAt = yield* Clock.currentTimeMillis
  return { ended: yield* Fiber.join(tasks), runs: yield* workspace.runs, tally, lasted, lookedAt } satisfies Outcome
}, Effect.scoped)

const planOf = (order: Order | undefined, attempt: number) => {
  const plan = order?.plans[attempt] ?? order?.plans.at(-1)
  if (plan === undefined) throw new Error("a run of no task")
  return plan
}
