/**
 * Follows a run. A poll that fails costs Flyte's patience: at the sixth the task hangs on its last phase, or fails. So a
 * poll always ends in a phase. A fault that may pass is ridden out, then the answer is what all replicas can say alike; one
 * that does not pass ends the task with words that its author or the operator can act on.
 */
import { type Connection, DatabricksAuth, type Credential, type Identity } from "@flyte-databricks/databricks-auth"
import { type JobMetadata, JobsClient, type Run, type RunId, RunState } from "@flyte-databricks/databricks-jobs"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { Audit } from "../audit/Audit.ts"
import { identityRefused } from "../audit/decisions.ts"
import * as Call from "../call/Call.ts"
import type { Warning } from "../call/Ended.ts"
import * as Turns from "../admission/Turns.ts"
import * as Settings from "../Settings.ts"
import { endByHand } from "../call/byHand.ts"
import { isTransient, rideOut } from "../call/Faults.ts"
import { hedged } from "../call/hedged.ts"
import * as Creator from "./Creator.ts"
import * as FailureCause from "./FailureCause.ts"
import * as Followed from "./Followed.ts"
import * as LastReports from "./LastReports.ts"
import { MetadataKey } from "./MetadataKey.ts"
import * as PinnedRun from "./PinnedRun.ts"
import * as RunReport from "./RunReport.ts"
import type { Submissions } from "./Submissions.ts"

/**
 * How long a workspace has to say that it does not know a run, in two polls at least: one that fails over says so for a
 * moment. Flyte polls a run every thirty seconds, or less often where there are many.
 */
export const GoneAfter = Context.Reference<Duration.Input>("@flyte-databricks/connector/GoneAfter", {
  defaultValue: () => "15 seconds"
})

/** What holds for a poll. */
interface Bounds {
  /** When it has to be answered, in milliseconds. */
  readonly until: number
  readonly givesUpAfter: number
  /** Whether the last poll of the run failed. */
  readonly isFaulty: boolean
}

/** Makes the way to say how runs are doing. */
export const make = Effect.fnUntraced(function* (reports: LastReports.LastReports, submissions: Submissions) {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const jobs = yield* JobsClient.JobsClient
  const turns = yield* Turns.Turns
  const key = yield* MetadataKey
  const audit = yield* Audit
  const patience = Duration.toMillis(yield* Settings.pollPatience)
  const goneAfter = Duration.toMillis(yield* GoneAfter)
  const followed = yield* Followed.make

  const ask = Effect.fnUntraced(function* (
    metadata: JobMetadata.JobMetadata,
    connection: Connection.Connection | undefined,
    { until, givesUpAfter, isFaulty }: Bounds
  ) {
    const { runId } = metadata
    const credential = yield* PinnedRun.recall(auth, metadata, connection)
    const header = yield* PinnedRun.header(auth, credential)
    const { identity } = credential
    const asked = jobs.get(credential, runId, { header, givesUpAfter })
    const run = yield* (isFaulty ? asked : hedged(asked)).pipe(
      Call.waitFor(`${identity.instance} to say how run ${runId} is doing`),
      turns.take("get", credential)
    )
    const report = RunReport.ofRun(identity, runId, run)
    yield* Call.note(PinnedRun.factsOfRun(run))
    const other = Creator.somebodyElse(identity, run)
    if (Option.isSome(other)) {
      const message = ofAnother(runId, identity, other.value)
      yield* Call.warn({ outcome: "RunOfAnother", message })
      return { ...report, phase: "FAILED" as const, message }
    }
    return RunState.isFailure(report.phase) && !RunState.wasCancelled(run)
      ? { ...report, message: yield* explain(credential, runId, run, report.message, until) }
      : report
  })

  // That a run failed is worth more than why: its output is asked for once, and not for longer than leaves time to
  // answer without it.
  const explain = Effect.fnUntraced(function* (
    credential: Credential.Credential,
    runId: RunId.RunId,
    run: Run.Run,
    message: string,
    until: number
  ) {
    const left = (until - (yield* Clock.currentTimeMillis)) / 2
    const output = yield* jobs.output(credential, FailureCause.culprit(runId, run)).pipe(
      turns.take("output", credential),
      Call.within(left),
      Effect.catch((failure) => Effect.succeed({ error: `(Its output could not be read: ${failure.message})` }))
    )
    return [message, FailureCause.describe(run, message, output)].filter((part) => part !== "").join("\n")
  })

  const outlast = Effect.fnUntraced(function* (metadata: JobMetadata.JobMetadata, fault: Warning, polledAt: number) {
    const { runId } = metadata
    const key = LastReports.keyOf(metadata)
    const now = yield* Clock.currentTimeMillis
    const since = reports.failed(key, now)
    const said = `No news of run ${runId} since ${instant(since)}: ${fault.message}`
    const known = reports.of(key)
    if (now - since >= patience) {
      const why = `${said} That is longer than FLYTE_DATABRICKS_POLL_PATIENCE, so this attempt is given up.`
      return verdict(runId, "RETRYABLE_FAILED", `${why} ${endByHand(runId, pageOf(known.report))}`, known.report)
    }
    return withoutNews(runId, said, known, polledAt)
  })

  const poll = Effect.fnUntraced(function* (
    metadata: JobMetadata.JobMetadata,
    connection: Connection.Connection | undefined
  ) {
    const { runId } = metadata
    const key = LastReports.keyOf(metadata)
    const { report: last, faultySince } = reports.of(key)
    if (last !== undefined && RunState.hasEnded(last.phase)) return last
    const start = yield* Clock.currentTimeMillis
    const until = answerBy(start, yield* Call.endsAt)
    const isFaulty = faultySince !== undefined
    const polled = yield* ask(metadata, connection, { until, givesUpAfter: until - start, isFaulty }).pipe(
      // While it lasts, a moment per poll is enough: the retries of a thousand tasks would only keep Databricks down,
      // and each poll that waits holds one of propeller's workers.
      rideOut(isFaulty ? Math.min(until, start + moment) : until),
      Call.within(until - start),
      Effect.result
    )
    followed.polled(key, Result.isSuccess(polled) && RunState.hasEnded(polled.success.phase), start)
    if (Result.isSuccess(polled)) {
      reports.reported(key, polled.success)
      return polled.success
    }
    const failure = polled.failure
    const fault = { outcome: failure.reason._tag, message: failure.message }
    yield* Call.warn(fault)
    if (isTransient(failure)) return yield* outlast(metadata, fault, start)
    if (failure._tag === "AuthError") {
      const [namespace] = Option.toArray(metadata.namespace)
      const onBehalfOf = namespace === undefined ? {} : { namespace }
      yield* audit.record(() => identityRefused({ onBehalfOf }, Cause.fail(failure), runId))
    }
    if (failure.reason._tag === "RunNotFound") {
      const now = yield* Clock.currentTimeMillis
      // Nothing is left of a run that is gone, so another attempt starts afresh.
      return now - reports.missing(key, now) > goneAfter
        ? verdict(runId, "RETRYABLE_FAILED", failure.message, last)
        : withoutNews(runId, failure.message, reports.of(key), start)
    }
    // Another attempt meets it too, and the run may still be going on.
    return verdict(runId, "FAILED", `${failure.message} ${endByHand(runId, pageOf(last))}`, last)
  })

  return Effect.fnUntraced(function* (
    resourceMeta: Uint8Array,
    connection: Connection.Connection | undefined
  ): Effect.fn.Return<RunReport.RunReport> {
    const metadata = yield* Effect.result(PinnedRun.read(key, resourceMeta))
    if (Result.isSuccess(metadata)) {
      submissions.known(LastReports.keyOf(metadata.success))
      return yield* poll(metadata.success, connection)
    }
    const { message, reason } = metadata.failure
    if (reason._tag === "MetadataRefused") yield* audit.record(() => identityRefused({}, Cause.fail(metadata.failure)))
    yield* Call.warn({ outcome: reason._tag, message })
    return { phase: "FAILED", message, link: Option.none(), info: {} }
  })
})

// It is over for Flyte, and so is not cancelled: it is somebody else's.
const ofAnother = (runId: RunId.RunId, { principal, source }: Identity.Identity, creator: string): string =>
  `Run ${runId} was made by ${creator}, and this task was submitted as ${principal} (${source}). It is neither followed nor ` +
  "cancelled. Either the attempt was created before, with another credential, or somebody changed the job metadata or " +
  "submitted a run in its place. See who that is, and run the task again."

// Longer than the token cache remembers a fault that may pass.
const moment = 2000

// A little earlier than the work has to end: the answer is still to be made.
const answerBy = (start: number, endsAt: number): number => endsAt - Math.min(100, (endsAt - start) / 20)

const verdict = (
  runId: RunId.RunId,
  phase: RunState.Phase,
  message: string,
  last: RunReport.RunReport | undefined
): RunReport.RunReport => ({
  phase,
  message,
  link: last?.link ?? Option.none(),
  info: last?.info ?? { run_id: runId }
})

/** A poll that begins so soon after its run's submit is the first: the next comes five seconds later at least. */
const firstPoll = 4000

// While there is no news, each replica remembers something else of a run, or nothing, and Flyte asks them in turn. Would each
// say what it remembers, the task's phase would change with every poll. So all say RUNNING, which most runs are: a task that
// is RUNNING stays so, one that was not yet comes to it a little early.
const withoutNews = (
  runId: RunId.RunId,
  said: string,
  { report, submittedAt = -Infinity }: LastReports.Known,
  polledAt: number
): RunReport.RunReport => {
  if (report === undefined) return verdict(runId, "RUNNING", `${said} Nothing else is known of it yet.`, report)
  const message = `${said} It was ${report.phase} when last asked${report.message && `: ${report.message}`}`
  return verdict(runId, polledAt - submittedAt < firstPoll ? report.phase : "RUNNING", message, report)
}

const pageOf = (report: RunReport.RunReport | undefined): string | undefined =>
  report === undefined ? undefined : Option.getOrUndefined(report.link)

const instant = (millis: number): string => new Date(millis).toISOString().replace(/\.\d+Z$/, "Z")
