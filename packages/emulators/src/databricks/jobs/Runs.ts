/**
 * The runs of the workspace: who submitted them, and what state they are in at the moment somebody asks.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { EmulatorError, NotFound } from "../../EmulatorError.ts"
import { invalidParameter, permissionDenied, runNotFound } from "../ApiError.ts"
import type { Principal, Principals } from "../Principals.ts"
import { defaultPlan, hasEnded, phaseAt, phasesOf, type RunPhase, type RunPlan } from "./RunPlan.ts"
import { type SubmitRequest, tasksOf } from "./SubmitRequest.ts"

/** A run as it was submitted, and what has been done to it since. */
export interface Run {
  readonly runId: bigint
  readonly jobId: bigint
  /** One for each task, in order. */
  readonly taskRunIds: ReadonlyArray<bigint>
  readonly request: SubmitRequest
  /** The principal that submitted it. */
  readonly creator: string
  /** The principal it runs as. */
  readonly runAs: string
  readonly startTime: number
  readonly plan: RunPlan
  /** When the plan began: later than `startTime` where the plan was changed. */
  readonly planStartTime: number
  readonly cancelTime: number | undefined
}

/** The phase a run is in. */
export interface RunProgress {
  readonly phase: RunPhase
  /** When the phase began. */
  readonly since: number
}

/** How runs behave where a plan says nothing else. */
export interface RunsOptions {
  /** The plan of a run whose name has none of its own. */
  readonly runPlan?: RunPlan | undefined
  /** How long a cancelled run is TERMINATING; by default one second. */
  readonly cancelDuration?: Duration.Input | undefined
  /** The first run's id; by default 2^53 + 1, which a double cannot hold. Ids go up by two, so that a double holds none. */
  readonly firstRunId?: bigint | undefined
  /** How many runs are remembered; by default 100,000. */
  readonly keptRuns?: number | undefined
}

/** The id of the first run, where nothing else is said. */
export const firstRunId = 9_007_199_254_740_993n

const cancelled: RunPhase = { lifeCycleState: "TERMINATED", resultState: "CANCELED", message: "Run cancelled." }
const timedOut: RunPhase = { lifeCycleState: "TERMINATED", resultState: "TIMEDOUT", message: "Timed out" }

/** Makes an empty store of runs. */
export const make = (principals: Principals, options: RunsOptions) => {
  const runs = new Map<bigint, Run>()
  const byIdempotencyToken = new Map<string, bigint>()
  const byTaskRun = new Map<bigint, bigint>()
  const plans = new Map<string, RunPlan>()
  const cancelMillis = Duration.toMillis(options.cancelDuration ?? Duration.seconds(1))
  const keptRuns = options.keptRuns ?? 100_000
  let nextId = options.firstRunId ?? firstRunId

  const newId = () => {
    const id = nextId
    nextId += 2n
    return id
  }

  const progressAt = (run: Run, now: number): RunProgress => {
    const elapsed = (time: number) => {
      const { phase, since } = phaseAt(phasesOf(run.plan), time - run.planStartTime)
      return { phase, since: run.planStartTime + since }
    }
    const limit = run.request.timeout_seconds
    const deadline = limit === undefined || limit === 0 ? Infinity : run.startTime + limit * 1000
    const stop = Math.min(run.cancelTime ?? Infinity, deadline)
    const planned = elapsed(Math.min(now, stop))
    if (now < stop || hasEnded(planned.phase)) return planned
    if (deadline <= stop) return { phase: timedOut, since: deadline }
    return now < stop + cancelMillis
      ? { phase: { lifeCycleState: "TERMINATING", message: "Cancelling" }, since: stop }
      : { phase: cancelled, since: stop + cancelMillis }
  }

  const forgetOldest = () => {
    for (const run of runs.values()) {
      if (runs.size <= keptRuns) return
      runs.delete(run.runId)
      run.taskRunIds.forEach((id) => byTaskRun.delete(id))
      if (run.request.idempotency_token !== undefined) byIdempotencyToken.delete(run.request.idempotency_token)
    }
  }

  const find = (runId: bigint) =>
    Effect.suspend(() => {
      const run = runs.get(runId)
      return run === undefined ? Effect.fail(runNotFound(runId)) : Effect.succeed(run)
    })

  const update = (runId: bigint, change: Partial<Run>) => {
    const run = runs.get(runId)
    if (run !== undefined) runs.set(runId, { ...run, ...change })
  }

  const listed = (run: Run, principal: Principal, manages: boolean) =>
    (run.request.access_control_list ?? []).some(
      (entry) =>
        (entry.user_name === principal.name || entry.service_principal_name === principal.name) &&
        !(manages && entry.permission_level === "CAN_VIEW")
    )

  const allowed = (run: Run, principal: Principal, manages: boolean) =>
    principal.admin || run.creator === principal.name || run.runAs === principal.name || listed(run, principal, manages)

  const view = Effect.fnUntraced(function* (principal: Principal, runId: bigint) {
    const run = yield* find(runId)
    if (!allowed(run, principal, false)) {
      return yield* permissionDenied(principal.name, "Admin or Manage Run or Owner or View", run.jobId)
    }
    return run
  })

  const submit = Effect.fnUntraced(function* (principal: Principal, request: SubmitRequest) {
    const token = request.idempotency_token === "" ? undefined : request.idempotency_token
    const existing = token === undefined ? undefined : byIdempotencyToken.get(token)
    if (existing !== undefined) return existing

    const runAs = request.run_as?.service_principal_name ?? request.run_as?.user_name ?? principal.name
    if (!principals.has(runAs)) return yield* invalidParameter(`The run_as principal '${runAs}' does not exist.`)

    const startTime = yield* Clock.currentTimeMillis
    const run: Run = {
      runId: newId(),
      jobId: newId(),
      taskRunIds: tasksOf(request).map(newId),
      request,
      creator: principal.name,
      runAs,
      startTime,
      plan: plans.get(request.run_name ?? "") ?? options.runPlan ?? defaultPlan,
      planStartTime: startTime,
      cancelTime: undefined
    }
    runs.set(run.runId, run)
    run.taskRunIds.forEach((id) => byTaskRun.set(id, run.runId))
    if (token !== undefined) byIdempotencyToken.set(token, run.runId)
    forgetOldest()
    return run.runId
  })

  const cancel = Effect.fnUntraced(function* (principal: Principal, runId: bigint) {
    const run = yield* find(runId)
    if (!allowed(run, principal, true)) {
      return yield* permissionDenied(principal.name, "Admin or Manage Run or Owner", run.jobId)
    }
    // A run that is over by then stays as it is: `progressAt` looks at the plan first.
    if (run.cancelTime === undefined) update(runId, { cancelTime: yield* Clock.currentTimeMillis })
  })

  return {
    submit,
    /** The run, if the principal may see it. */
    view,
    /** The run that the id, a run's own or a task run's, belongs to, if the principal may see it. */
    viewTask: (principal: Principal, id: bigint) => view(principal, byTaskRun.get(id) ?? id),
    cancel,
    /** The runs that the principal may see, newest first. */
    list: (principal: Principal) =>
      Effect.sync(() => [...runs.values()].filter((run) => allowed(run, principal, false)).toReversed()),
    progress: (run: Run) => Effect.map(Clock.currentTimeMillis, (now) => progressAt(run, now)),
    all: Effect.sync(() => [...runs.values()]),
    has: (runId: bigint) => runs.has(runId),
    /** The plan of runs of that name which are submitted from now on. */
    setPlanForName: (runName: string, plan: RunPlan) => Effect.sync(() => void plans.set(runName, plan)),
    /** A new plan for a run that exists, beginning now. */
    setPlan: Effect.fnUntraced(function* (runId: bigint, plan: RunPlan) {
      if (!runs.has(runId)) {
        const known = [...runs.keys()].slice(-10).map(String)
        return yield* new EmulatorError({ reason: new NotFound({ kind: "run", name: `${runId}`, known }) })
      }
      update(runId, { plan, planStartTime: yield* Clock.currentTimeMillis, cancelTime: undefined })
    })
  }
}

export type Runs = ReturnType<typeof make>
