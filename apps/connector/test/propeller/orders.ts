/**
 * What Flyte is asked to run, and what becomes of each run on Databricks: decided before anything starts, so that the
 * right end of every task is known.
 */
import type { RunPlan } from "@flyte-databricks/emulators"
import { Duration, Effect, Random } from "effect"
import { chance, one } from "./dice.ts"
import { type Team, teams } from "./teams.ts"

interface Ending {
  /** How common it is. */
  readonly weight: number
  /** What Flyte has to hear of it. */
  readonly phase: string
  readonly last: RunPlan.RunPhase
}

const ended = (weight: number, phase: string, last: Omit<RunPlan.RunPhase, "lifeCycleState">): Ending => ({
  weight,
  phase,
  last: { lifeCycleState: "TERMINATED", ...last }
})

const final: ReadonlyArray<Ending> = [
  ended(66, "SUCCEEDED", { resultState: "SUCCESS" }),
  ended(3, "SUCCEEDED", { resultState: "SUCCESS_WITH_FAILURES" }),
  ended(8, "FAILED", { resultState: "FAILED", message: "Workload failed, see run output for details" }),
  ended(2, "FAILED", { resultState: "TIMEDOUT", message: "Timed out" }),
  ended(3, "FAILED", { resultState: "CANCELED", message: "Run cancelled by a user of the workspace" }),
  { weight: 2, phase: "FAILED", last: { lifeCycleState: "SKIPPED", message: "Skipped" } }
]

const retried: ReadonlyArray<Ending> = [
  ended(1, "RETRYABLE_FAILED", { resultState: "MAXIMUM_CONCURRENT_RUNS_REACHED" }),
  ended(2, "RETRYABLE_FAILED", {
    resultState: "FAILED",
    termination: { code: "CLOUD_FAILURE", type: "CLOUD_FAILURE", message: "The instance was reclaimed" }
  }),
  {
    weight: 2,
    phase: "RETRYABLE_FAILED",
    last: { lifeCycleState: "INTERNAL_ERROR", resultState: "FAILED", message: "The cluster could not be started" }
  }
]

/** Somebody aborts it in Flyte. */
const endless: Ending = { weight: 1, phase: "aborted", last: { lifeCycleState: "RUNNING", message: "In run" } }

/** A task, what becomes of the run of each of its attempts, and how Flyte deals with it. */
export interface Order {
  readonly name: string
  readonly team: Team
  readonly version: "Flyte 1" | "Flyte 2"
  readonly serverless: boolean
  /** Called as old versions of Flyte 1 call: three seconds, and the deprecated `task_type` alone. */
  readonly oldCaller: boolean
  readonly arrival: Duration.Duration
  /** By attempt; any later ones are as the last. */
  readonly plans: ReadonlyArray<RunPlan.RunPlan>
  /** How the task has to end in Flyte. */
  readonly end: string
  /** When it is aborted, where it is, counted from the first answer about it. */
  readonly abortAfter: Duration.Duration | undefined
}

const draw = Effect.fnUntraced(function* (endings: ReadonlyArray<Ending>) {
  let left = yield* Random.nextBetween(
    0,
    endings.reduce((sum, { weight }) => sum + weight, 0)
  )
  return endings.find(({ weight }) => (left -= weight) < 0) ?? endless
})

const seconds = (min: number, max: number) => Effect.map(Random.nextIntBetween(min, max), Duration.seconds)

// What a run can be in before it starts; one of the words is none of the Jobs API's.
const waiting = ["QUEUED", "BLOCKED", "WAITING_FOR_RETRY", "RESIZING"]

const plan = Effect.fnUntraced(function* ({ last }: Ending): Effect.fn.Return<RunPlan.RunPlan> {
  const waits = yield* chance(0.2)
  const first = { lifeCycleState: waits ? yield* one(waiting) : "PENDING", for: yield* seconds(2, 60) }
  // Most are short. The longer a run is polled, the more of its polls meet with a fault.
  const running = (yield* chance(0.05)) ? seconds(1200, 3600) : seconds(5, 200)
  return { phases: [first, { lifeCycleState: "RUNNING", message: "In run", for: yield* running }, last] }
})

/** Which tasks are drawn. */
export interface Draw {
  /** Within which time they arrive. */
  readonly window: Duration.Input
  /** Whether all that happens to them after their arrival is that they are polled: no other attempt, no abort. */
  readonly onlyFollowed?: boolean
  /** Whether none of them is called by an old version of Flyte, which waits three seconds. */
  readonly newCallers?: boolean
}

const order = Effect.fnUntraced(function* (
  index: number,
  { window, onlyFollowed, newCallers }: Draw
): Effect.fn.Return<Order> {
  const isAborted = !onlyFollowed && (yield* chance(0.06))
  const end = isAborted ? endless : yield* draw(final)
  // At most two attempts end in something that another attempt is made for.
  const before = yield* Effect.forEach(
    onlyFollowed ? [] : [0.1, 0.1],
    Effect.fnUntraced(function* (probability) {
      return (yield* chance(probability)) ? [yield* draw(retried)] : []
    })
  )
  return {
    name: `task-${index}`,
    team: yield* one(teams),
    version: (yield* chance(0.5)) ? "Flyte 1" : "Flyte 2",
    serverless: yield* chance(0.3),
    oldCaller: (yield* chance(0.1)) && newCallers !== true,
    arrival: Duration.millis(yield* Random.nextIntBetween(0, Duration.toMillis(Duration.fromInputUnsafe(window)))),
    plans: yield* Effect.forEach([...before.flat(), end], plan),
    end: end.phase,
    abortAfter: isAborted ? yield* seconds(0, 400) : undefined
  }
})

/** Draws tasks. */
export const drawOrders = (count: number, draw: Draw): Effect.Effect<ReadonlyArray<Order>> =>
  Effect.forEach(
    Array.from({ length: count }, (_, index) => index),
    (index) => order(index, draw)
  )
