/**
 * A run as `runs/get` and `runs/get-output` show it.
 */
import { hasEnded, type RunPhase } from "./RunPlan.ts"
import type { Run, RunProgress } from "./Runs.ts"
import { tasksOf } from "./SubmitRequest.ts"

interface Termination {
  readonly code: string
  readonly type: string
  readonly message?: string | undefined
}

const terminations: Record<string, Termination> = {
  SUCCESS: { code: "SUCCESS", type: "SUCCESS" },
  SUCCESS_WITH_FAILURES: { code: "SUCCESS_WITH_FAILURES", type: "SUCCESS" },
  FAILED: { code: "RUN_EXECUTION_ERROR", type: "CLIENT_ERROR" },
  TIMEDOUT: { code: "CANCELED", type: "CLIENT_ERROR" },
  CANCELED: { code: "USER_CANCELED", type: "CLIENT_ERROR" },
  MAXIMUM_CONCURRENT_RUNS_REACHED: { code: "MAX_CONCURRENT_RUNS_EXCEEDED", type: "CLIENT_ERROR" },
  DISABLED: { code: "DISABLED", type: "CLIENT_ERROR" }
}

const terminationOf = (phase: RunPhase): Termination => {
  if (phase.termination !== undefined) return phase.termination
  if (phase.lifeCycleState === "INTERNAL_ERROR") return { code: "INTERNAL_ERROR", type: "INTERNAL_ERROR" }
  if (phase.lifeCycleState === "SKIPPED") return { code: "SKIPPED", type: "CLIENT_ERROR" }
  return terminations[phase.resultState ?? ""] ?? { code: "RUN_EXECUTION_ERROR", type: "CLIENT_ERROR" }
}

/** `state`: deprecated, and always there. */
const stateOf = (phase: RunPhase) => ({
  life_cycle_state: phase.lifeCycleState,
  ...(phase.resultState === undefined ? {} : { result_state: phase.resultState }),
  state_message: phase.message ?? "",
  user_cancelled_or_timedout: phase.resultState === "CANCELED" || phase.resultState === "TIMEDOUT"
})

/** `status`: the same in the newer words. */
const statusOf = (phase: RunPhase) => {
  if (hasEnded(phase)) {
    const { code, message, type } = terminationOf(phase)
    return { state: "TERMINATED", termination_details: { code, type, message: message ?? phase.message ?? "" } }
  }
  if (phase.lifeCycleState === "QUEUED") {
    return {
      state: "QUEUED",
      queue_details: { code: "ACTIVE_RUNS_LIMIT_REACHED", message: phase.message ?? "Queued" }
    }
  }
  return { state: phase.lifeCycleState === "WAITING_FOR_RETRY" ? "WAITING" : phase.lifeCycleState }
}

const lifeOf = (run: Run, { phase, since }: RunProgress) => ({
  state: stateOf(phase),
  status: statusOf(phase),
  start_time: run.startTime,
  end_time: hasEnded(phase) ? since : 0,
  run_duration: hasEnded(phase) ? since - run.startTime : 0,
  setup_duration: 0,
  execution_duration: hasEnded(phase) ? since - run.startTime : 0,
  cleanup_duration: 0,
  attempt_number: 0
})

/** The body of `runs/get`. */
export const runResource = (
  run: Run,
  progress: RunProgress,
  workspace: { readonly url: string; readonly id: string }
) => {
  const page = (id: bigint) => `${workspace.url}/?o=${workspace.id}#job/${run.jobId}/run/${id}`
  const life = lifeOf(run, progress)
  const { environments, git_source, timeout_seconds } = run.request
  return {
    job_id: run.jobId,
    run_id: run.runId,
    number_in_job: run.runId,
    original_attempt_run_id: run.runId,
    creator_user_name: run.creator,
    run_as_user_name: run.runAs,
    run_name: run.request.run_name ?? "Untitled",
    run_page_url: page(run.runId),
    run_type: "SUBMIT_RUN",
    format: run.request.tasks === undefined ? "SINGLE_TASK" : "MULTI_TASK",
    ...life,
    ...(git_source === undefined ? {} : { git_source }),
    ...(environments === undefined ? {} : { environments }),
    ...(timeout_seconds === undefined ? {} : { timeout_seconds }),
    tasks: tasksOf(run.request).map((task, index) => ({
      ...task,
      task_key: task.task_key ?? "main",
      run_id: run.taskRunIds[index],
      run_page_url: page(run.taskRunIds[index] ?? run.runId),
      ...life
    }))
  }
}

/** The body of `runs/get-output`. */
export const runOutputResource = (run: Run, progress: RunProgress, metadata: ReturnType<typeof runResource>) => {
  if (!hasEnded(progress.phase)) return { metadata }
  const output = run.plan.output ?? {}
  const failed = progress.phase.resultState !== "SUCCESS"
  const error = output.error ?? (failed ? progress.phase.message : undefined)
  return {
    metadata,
    ...(output.logs === undefined ? {} : { logs: output.logs, logs_truncated: false }),
    ...(output.notebookResult === undefined
      ? {}
      : { notebook_output: { result: output.notebookResult, truncated: false } }),
    ...(failed && error !== undefined ? { error } : {}),
    ...(failed && output.errorTrace !== undefined ? { error_trace: output.errorTrace } : {})
  }
}
