/**
 * What becomes of a run, and when: the phases it goes through on Effect's `Clock`.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

const Termination = Schema.Struct({ code: Schema.String, type: Schema.String, message: Schema.optional(Schema.String) })

/** One phase of a run's life, in the words of the Jobs API; any word is taken, also one the API does not have yet. */
export const RunPhase = Schema.Struct({
  /** `state.life_cycle_state`. */
  lifeCycleState: Schema.String,
  /** `state.result_state`. */
  resultState: Schema.optional(Schema.String),
  /** `state.state_message`. */
  message: Schema.optional(Schema.String),
  /** `status.termination_details`, where it should be another than the one that goes with the result. */
  termination: Schema.optional(Termination),
  /** How long it lasts; without it, for ever. */
  for: Schema.optional(Schema.DurationFromString)
})
export type RunPhase = typeof RunPhase.Type

/** What `runs/get-output` gives once the run is over. */
export const RunOutput = Schema.Struct({
  logs: Schema.optional(Schema.String),
  error: Schema.optional(Schema.String),
  errorTrace: Schema.optional(Schema.String),
  /** What a notebook returned. */
  notebookResult: Schema.optional(Schema.String)
})
export type RunOutput = typeof RunOutput.Type

/** The usual ways for a run to end. */
export const Outcome = Schema.Literals([
  "succeeds",
  "fails",
  "times-out",
  "is-skipped",
  "internal-error",
  "cloud-failure",
  "never-ends"
])
export type Outcome = typeof Outcome.Type

/** A plan in short: an outcome, and how long each phase before it lasts. */
const Short = Schema.Struct({
  outcome: Outcome,
  /** By default zero. */
  queued: Schema.optional(Schema.DurationFromString),
  /** By default one second. */
  pending: Schema.optional(Schema.DurationFromString),
  /** By default two seconds. */
  running: Schema.optional(Schema.DurationFromString),
  /** The final `state_message`. */
  message: Schema.optional(Schema.String),
  output: Schema.optional(RunOutput)
})

/** A plan in full. */
const Full = Schema.Struct({
  phases: Schema.NonEmptyArray(RunPhase),
  output: Schema.optional(RunOutput)
})

/** What becomes of a run. */
export const RunPlan = Schema.Union([Short, Full])
export type RunPlan = typeof RunPlan.Type

/** The plan of a run for which nothing else was said. */
export const defaultPlan: RunPlan = { outcome: "succeeds" }

interface PlanTimes {
  readonly queued?: Duration.Input
  readonly pending?: Duration.Input
  readonly running?: Duration.Input
  readonly message?: string
  readonly output?: RunOutput
}

/** A plan that ends in the outcome: `plan("fails", { message: "boom", running: "5 minutes" })`. */
export const plan = (outcome: Outcome, times: PlanTimes = {}): RunPlan => ({
  outcome,
  message: times.message,
  output: times.output,
  queued: times.queued === undefined ? undefined : Duration.fromInputUnsafe(times.queued),
  pending: times.pending === undefined ? undefined : Duration.fromInputUnsafe(times.pending),
  running: times.running === undefined ? undefined : Duration.fromInputUnsafe(times.running)
})

const ends: { readonly [O in Exclude<Outcome, "never-ends">]: RunPhase } = {
  succeeds: { lifeCycleState: "TERMINATED", resultState: "SUCCESS" },
  fails: {
    lifeCycleState: "TERMINATED",
    resultState: "FAILED",
    message: "Workload failed, see run output for details"
  },
  "times-out": { lifeCycleState: "TERMINATED", resultState: "TIMEDOUT", message: "Timed out" },
  "is-skipped": { lifeCycleState: "SKIPPED", message: "Skipped: the maximum number of concurrent runs was reached" },
  "internal-error": {
    lifeCycleState: "INTERNAL_ERROR",
    resultState: "FAILED",
    message: "The cluster could not be started"
  },
  "cloud-failure": {
    lifeCycleState: "TERMINATED",
    resultState: "FAILED",
    message: "The cloud provider terminated the instance",
    termination: { code: "CLOUD_FAILURE", type: "CLOUD_FAILURE" }
  }
}

/** The phases of a plan, in order. */
export const phasesOf = (plan: RunPlan): ReadonlyArray<RunPhase> => {
  if ("phases" in plan) return plan.phases
  const {
    message,
    outcome,
    pending = Duration.seconds(1),
    queued = Duration.zero,
    running = Duration.seconds(2)
  } = plan
  const queuedPhase = { lifeCycleState: "QUEUED", message: "Queued", for: queued }
  if (outcome === "is-skipped")
    return [queuedPhase, { ...ends[outcome], ...(message === undefined ? {} : { message }) }]
  const before: ReadonlyArray<RunPhase> = [
    queuedPhase,
    { lifeCycleState: "PENDING", message: "Waiting for cluster", for: pending }
  ]
  if (outcome === "never-ends") return [...before, { lifeCycleState: "RUNNING", message: message ?? "In run" }]
  return [
    ...before,
    { lifeCycleState: "RUNNING", message: "In run", for: running },
    { ...ends[outcome], ...(message === undefined ? {} : { message }) }
  ]
}

/** The phase that a plan is in after `elapsed` milliseconds, and when that phase began. */
export const phaseAt = (phases: ReadonlyArray<RunPhase>, elapsed: number) => {
  let since = 0
  for (const phase of phases) {
    const length = phase.for === undefined ? Infinity : Duration.toMillis(phase.for)
    if (elapsed < since + length) return { phase, since }
    since += length
  }
  const last = phases[phases.length - 1]
  if (last === undefined) throw new Error("A run plan has at least one phase")
  // The last phase goes on past its duration, because a run is always in some phase.
  return { phase: last, since: since - Duration.toMillis(last.for ?? Duration.zero) }
}

const endStates = new Set(["TERMINATED", "SKIPPED", "INTERNAL_ERROR"])

/** Whether a run in this phase has ended, whichever way. */
export const hasEnded = (phase: RunPhase): boolean => endStates.has(phase.lifeCycleState)
