/**
 * A scenario: a few tasks, what befalls them, and what comes of it, seen from Flyte and from the workspace. It is played
 * on a stage, which has a connector and a workspace: this connector in memory, or Flyte's own over sockets.
 */
import type { RunPlan } from "@flyte-databricks/emulators"
import { Clock, Duration, Effect, Random } from "effect"
import * as Executor from "./Executor.ts"
import { onItsWay, type Way, within } from "./Deployment.ts"
import { type Call, flyte1, flyte2 } from "./Flyte.ts"
import type { Habits } from "./habits.ts"
import type { Order } from "./orders.ts"
import { succeeds } from "./plans.ts"
import * as Tally from "./Tally.ts"
import type { Ended } from "./Task.ts"
import type { Team } from "./teams.ts"
import { goneBack } from "./verdict.ts"
import type { Run } from "./Workspace.ts"

/** What befalls calls to Databricks, for a time counted from the first task, in seconds. */
export type Trouble = {
  readonly from?: number
  readonly until?: number
} & (
  | { readonly what: "nobody there" | "run not found" }
  | { readonly what: "slow"; readonly seconds: number; readonly calls: "submit" | "all" }
)

/** What there is to do to the connector while tasks run. */
interface ConnectorHands {
  /** Its process is gone, with all that it was doing; another is there after a while. */
  readonly restart: (after: Duration.Input) => Effect.Effect<void, unknown>
  /** Every replica gives way to a new one, which is ready first. */
  readonly update: Effect.Effect<void, unknown>
}

export interface Scenario {
  readonly tasks: number
  /** Within which time they arrive, in seconds; by default at once. */
  readonly within?: number
  readonly replicas?: number
  /** What becomes of the run of each task; by default it succeeds. */
  readonly plan?: (task: number) => RunPlan.RunPlan
  /** When tasks are aborted, counted from the first answer about them, in seconds. */
  readonly abortAfter?: number
  readonly troubles?: ReadonlyArray<Trouble>
  readonly habits?: Partial<Habits>
  /** Whether propeller's configuration lists the task type; by default it does. */
  readonly isListed?: boolean
  /** What becomes of the answers to creates; by the number of creates before. */
  readonly way?: (before: number) => Way
  readonly events?: (hands: {
    readonly connector: ConnectorHands
    readonly restartFlyte: (after: Duration.Input) => Effect.Effect<void>
  }) => Effect.Effect<void, unknown>
}

/** Where a scenario is played. */
export interface Stage {
  readonly call: Call
  readonly connector: ConnectorHands
  readonly team: Team
  readonly runs: Effect.Effect<ReadonlyArray<Run>>
  /** What the names of tasks begin with. */
  readonly prefix?: string
}

/** What came of it. */
export interface Result {
  /** How many tasks ended how. */
  readonly ends: Readonly<Record<string, number>>
  readonly runs: number
  /** Runs that Flyte does not follow. */
  readonly unknown: number
  /** How many of them, and of those of aborted tasks, nobody cancelled: they go on for as long as they take. */
  readonly left: number
  /** Attempts that went back to an earlier phase. */
  readonly back: number
  /** Attempts that people saw go back to an earlier phase. */
  readonly seenBack: number
}

/** All that can be asked of a scenario's end. */
interface Played extends Result {
  /** For how long one went on at the most that Flyte does not follow, in seconds; known in memory alone. */
  readonly longest: number
  /** How often the phase of an attempt changed, at the most. */
  readonly changes: number
  readonly ended: ReadonlyArray<Ended>
  readonly tally: Tally.Tally
}

/** The name of a task. */
export const nameOf = (task: number, prefix = ""): string => `${prefix}task-${task}`

/**
 * Propeller's `resync-interval` is five seconds here, the least that it takes: what takes three minutes by default is over
 * in half a minute.
 */
const habits: Partial<Habits> = {
  attempts: 3,
  resyncEvery: "5 seconds",
  keepsFinished: "5 seconds",
  hangsAfter: "1 minute"
}

const ordersOf = (
  { tasks, within = 0, plan, abortAfter }: Scenario,
  { team, prefix }: Stage,
  version: Order["version"]
) =>
  Array.from({ length: tasks }, (_, task): Order => ({
    name: nameOf(task, prefix),
    team,
    version,
    serverless: false,
    oldCaller: false,
    arrival: Duration.seconds((within * task) / tasks),
    plans: [plan?.(task) ?? succeeds],
    end: "",
    abortAfter: abortAfter === undefined ? undefined : Duration.seconds(abortAfter)
  }))

const cancelled = ["aborted", "lost in deletion", "lost to another plugin"]

/** Plays a scenario to its end. */
export const play = Effect.fnUntraced(
  function* (scenario: Scenario, flyte: Order["version"], stage: Stage) {
    const tally = Tally.make()
    let creates = 0
    const call: Call = (method, request, timeoutMillis) => {
      const sent = stage.call(method, request, timeoutMillis)
      if (!method.path.endsWith("/CreateTask")) return sent
      return within(timeoutMillis, onItsWay(scenario.way?.(creates++) ?? "arrives", sent))
    }
    const version = flyte === "Flyte 1" ? flyte1(call, scenario.isListed) : flyte2(call)
    const executor = yield* Executor.make(version, tally, { ...habits, ...scenario.habits })
    yield* Effect.forkScoped(executor.watch)
    yield* Effect.forkScoped(
      scenario.events?.({ connector: stage.connector, restartFlyte: executor.restart }) ?? Effect.void
    )
    const orders = ordersOf(scenario, stage, flyte)
    const ended = yield* Effect.forEach(orders, executor.runTask, { concurrency: "unbounded" })
    // What is cancelled without anybody asking is cancelled by then, and runs that were cancelled are over.
    yield* Effect.sleep("30 seconds")
    const lookedAt = yield* Clock.currentTimeMillis
    const runs = yield* stage.runs
    const ends: Record<string, number> = {}
    for (const { end } of ended) ends[end] = (ends[end] ?? 0) + 1
    const attempts = ended.flatMap(({ attempts }) => attempts)
    const known = new Set(attempts.flatMap(({ runIds }) => [...runIds]))
    const unknown = runs.filter(({ runId }) => !known.has(runId))
    const toBeCancelled = new Set(
      ended.flatMap(({ attempts, end }) =>
        cancelled.includes(end) ? attempts.flatMap(({ runIds }) => [...runIds]) : []
      )
    )
    return {
      ends,
      runs: runs.length,
      unknown: unknown.length,
      left: runs.filter(
        ({ runId, resultState }) => resultState !== "CANCELED" && (!known.has(runId) || toBeCancelled.has(runId))
      ).length,
      longest: Math.ceil(Math.max(0, ...unknown.map(({ from, until }) => (Math.min(until, lookedAt) - from) / 1000))),
      back: goneBack(attempts.map(({ phases }) => phases)),
      seenBack: goneBack(attempts.map(({ seen }) => seen.phases)),
      changes: Math.max(...attempts.map(({ phases }) => phases.length)),
      ended,
      tally
    } satisfies Played
  },
  Effect.scoped,
  Random.withSeed("scenario")
)

/** What the rows of a table say of it. */
export const resultOf = ({ ends, runs, unknown, left, back, seenBack }: Result): Result => ({
  ends,
  runs,
  unknown,
  left,
  back,
  seenBack
})
