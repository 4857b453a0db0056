/**
 * How a run is doing, as both versions of Flyte are told: phase, message, log link and custom info.
 */
import { type Identity, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { redact } from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { type Run, type RunId, RunState } from "@flyte-databricks/databricks-jobs"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"

/**
 * What Flyte is told of a run.
 */
export interface RunReport extends RunState.PhaseReport {
  /** The run's page in the workspace. */
  readonly link: Option.Option<string>
  /** Ids, cluster, times and who it runs as, in the words of the Jobs API. */
  readonly info: Readonly<Record<string, string>>
}

/**
 * The report of a run that Databricks described.
 */
export const ofRun = (identity: Identity.Identity, runId: RunId.RunId, run: Run.Run): RunReport => ({
  ...RunState.toPhaseReport(run),
  link: Option.map(
    Option.fromNullishOr(run.job_id),
    (jobId) => `${WorkspaceHost.pageUrl(identity.instance)}#job/${jobId}/run/${runId}`
  ),
  info: withoutBlanks({
    databricks_instance: identity.instance,
    run_id: runId,
    job_id: run.job_id,
    run_name: run.run_name,
    run_page_url: run.run_page_url,
    cluster_id: clusterOf(run),
    run_as: run.run_as_user_name,
    creator: run.creator_user_name,
    auth_type: identity.authType,
    identity: identity.principal,
    life_cycle_state: run.state?.life_cycle_state ?? run.status?.state,
    result_state: run.state?.result_state ?? run.status?.termination_details?.code,
    start_time: instant(run.start_time),
    end_time: instant(run.end_time)
  })
})

/**
 * The report of a run that was submitted a moment ago.
 */
export const submitted = (runId: RunId.RunId): RunReport => ({
  phase: "QUEUED",
  message: "Submitted",
  link: Option.none(),
  info: { run_id: runId }
})

/**
 * The report as others may read it: a workspace may say in any of its words what it was sent.
 */
export const withoutSecrets = ({ phase, message, link, info }: RunReport): RunReport => ({
  phase,
  message: redact(message),
  link: Option.map(link, (url) => redact(url)),
  info: Record.map(info, (value) => redact(value))
})

const clusterOf = (run: Run.Run): string | null | undefined =>
  [run, ...(run.tasks ?? [])].map(({ cluster_instance }) => cluster_instance?.cluster_id).find(Predicate.isNotNullish)

// Zero is Databricks' word for "not yet".
const instant = (millis: number | null | undefined): string | undefined =>
  millis == null || millis <= 0 || millis > 8.64e15 ? undefined : new Date(millis).toISOString()

const withoutBlanks = (given: Readonly<Record<string, string | null | undefined>>): Record<string, string> =>
  Object.fromEntries(Object.entries(given).filter((entry): entry is [string, string] => Boolean(entry[1])))
