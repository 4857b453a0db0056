/**
 * Why a run failed, as far as Databricks knows more than the run's state says: which of its tasks, and what the task's
 * code raised. Flyte shows nothing but the message, so all of it goes there.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import { type Run, type RunId, RunState } from "@flyte-databricks/databricks-jobs"

/** The head of a trace says where in the author's code it began; the rest is on the run's page. */
const maxTrace = 2000
const maxError = 1000
const maxTasks = 5

/** The task whose output tells most: of those that failed, the first that did so by itself. */
export const culprit = (runId: RunId.RunId, run: Run.Run): RunId.RunId => {
  const tasks = run.tasks ?? []
  const failed = failedTasks(run)
  const own = failed.find(({ state }) => state?.result_state !== "UPSTREAM_FAILED") ?? failed[0] ?? tasks[0]
  return own?.run_id ?? runId
}

const failedTasks = (run: Run.Run): ReadonlyArray<Run.RunTask> =>
  (run.tasks ?? []).filter(
    (task) => RunState.isFailure(RunState.phaseOf(task) ?? "RUNNING") && !RunState.wasCancelled(task)
  )

/** What is to be added to the message of a run that failed. */
export const describe = (run: Run.Run, message: string, output: Run.RunOutput): string => {
  const several = (run.tasks ?? []).length > 1 ? failedTasks(run) : []
  const tasks = several.slice(0, maxTasks).map((task) => {
    const { phase, message: why } = RunState.toPhaseReport(task)
    return `Task ${task.task_key ?? "without a key"}: ${task.state?.result_state ?? phase}${why && `, ${why}`}`
  })
  const more = several.length > maxTasks ? [`and ${several.length - maxTasks} more tasks`] : []
  const error = readable(output.error, maxError)
  return [...tasks, ...more, ...(message.includes(error) ? [] : [error]), readable(output.error_trace, maxTrace)]
    .filter((part) => part !== "")
    .join("\n")
}

const readable = (text: string | null | undefined, maxLength: number): string =>
  printable(text ?? "", { maxLength, as: "lines" })
