/**
 * Follows a run. A poll that fails costs Flyte's patience: at the sixth the task hangs on its last phase, or fails. So a
 * poll always ends in a phase. A fault that may pass is ridden out, then the last phase known is given again; one that
 * does not pass ends the task with words that its author or the operator can act on.
 */
import { type Connection, DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { type JobMetadata, JobsClient, type RunState } from "@flyte-databricks/databricks-jobs"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Call from "../Call.ts"
import type { Failure } from "../ConnectorError.ts"
import * as Settings from "../Settings.ts"
import { endByHand } from "./byHand.ts"
import { isTransient, rideOut } from "./Faults.ts"
import { LastReports, type RunKey } from "./LastReports.ts"
import * as PinnedRun from "./PinnedRun.ts"
import * as RunReport from "./RunReport.ts"

/**
 * Says how runs are doing.
 */
export class RunFollower extends Context.Service<
  RunFollower,
  {
    readonly report: (
      resourceMeta: Uint8Array,
      connection: Connection.Connection | undefined
    ) => Effect.Effect<RunReport.RunReport>
  }
>()("@flyte-databricks/connector/RunFollower") {}

/** Why a poll has nothing new to say. */
interface Fault {
  readonly outcome: string
  readonly message: string
}

export const layer: Layer.Layer<
  RunFollower,
  Config.ConfigError,
  DatabricksAuth.DatabricksAuth | JobsClient.JobsClient | LastReports
> = Layer.effect(
  RunFollower,
  Effect.gen(function* () {
    const auth = yield* DatabricksAuth.DatabricksAuth
    const jobs = yield* JobsClient.JobsClient
    const reports = yield* LastReports
    const patience = Duration.toMillis(yield* Settings.pollPatience)

    const ask = Effect.fnUntraced(function* (
      metadata: JobMetadata.JobMetadata,
      connection: Connection.Connection | undefined
    ) {
      const { runId } = metadata
      const credential = yield* PinnedRun.recall(auth, metadata, connection)
      yield* PinnedRun.readyToken(auth, credential)
      const { identity } = credential
      const run = yield* jobs
        .get(credential, runId)
        .pipe(Call.waitFor(`${identity.instance} to say how run ${runId} is doing`))
      return RunReport.ofRun(identity, runId, run)
    })

    const outlast = Effect.fnUntraced(function* (metadata: JobMetadata.JobMetadata, fault: Fault) {
      const key = keyOf(metadata)
      const now = yield* Clock.currentTimeMillis
      const since = reports.failed(key, now)
      yield* Call.warn(fault)
      const said = `No news of run ${metadata.runId} since ${instant(since)}: ${fault.message}`
      const { report } = reports.of(key)
      if (now - since >= patience) {
        const message =
          `${said} That is longer than FLYTE_DATABRICKS_POLL_PATIENCE, so this attempt is given up. ` +
          endByHand(metadata.runId, report?.link ?? Option.none())
        return verdict(metadata, "RETRYABLE_FAILED", message, report)
      }
      return report === undefined
        ? { ...verdict(metadata, "QUEUED", `${said} Nothing else is known of it yet.`, report) }
        : {
            ...report,
            message: `${said} It was ${report.phase} when last asked${report.message && `: ${report.message}`}`
          }
    })

    const poll = Effect.fnUntraced(function* (
      metadata: JobMetadata.JobMetadata,
      connection: Connection.Connection | undefined
    ) {
      const key = keyOf(metadata)
      const { report: last, faultySince } = reports.of(key)
      const start = yield* Clock.currentTimeMillis
      const until = answerBy(start, yield* Call.endsAt)
      let latest: Failure | undefined
      const polled = yield* ask(metadata, connection).pipe(
        Effect.tapError((failure) => Effect.sync(() => (latest = failure))),
        // Once per poll is enough while it lasts: retries of a thousand tasks would only keep Databricks down.
        faultySince === undefined ? rideOut(until) : (once) => once,
        Effect.result,
        Effect.timeoutOption(Duration.millis(until - start))
      )
      if (Option.isNone(polled)) {
        const waited = `nothing came within ${((until - start) / 1000).toFixed(1)} s, while waiting for ${yield* Call.waitingFor}.`
        return yield* outlast(metadata, {
          outcome: "DeadlinePassed",
          message: latest === undefined ? waited : `${latest.message} Then ${waited}`
        })
      }
      if (Result.isSuccess(polled.value)) {
        reports.reported(key, polled.value.success)
        return polled.value.success
      }
      const failure = polled.value.failure
      if (isTransient(failure)) return yield* outlast(metadata, faultOf(failure))
      yield* Call.warn(faultOf(failure))
      // Nothing is left of a run that is gone, so another attempt starts afresh. Whatever else is final, another attempt
      // meets it too, and the run may still be going on.
      return failure.reason._tag === "RunNotFound"
        ? verdict(metadata, "RETRYABLE_FAILED", failure.message, last)
        : verdict(
            metadata,
            "FAILED",
            `${failure.message} ${endByHand(metadata.runId, last?.link ?? Option.none())}`,
            last
          )
    })

    return RunFollower.of({
      report: Effect.fnUntraced(function* (resourceMeta, connection) {
        const metadata = yield* Effect.result(PinnedRun.read(resourceMeta))
        if (Result.isSuccess(metadata)) return yield* poll(metadata.success, connection)
        yield* Call.warn(faultOf(metadata.failure))
        return { phase: "FAILED", message: metadata.failure.message, link: Option.none(), info: {} }
      })
    })
  })
)

const keyOf = ({ instance, runId }: JobMetadata.JobMetadata): RunKey => `${instance} ${runId}`

// A little earlier than the work has to end: the answer is still to be made.
const answerBy = (start: number, endsAt: number): number => endsAt - Math.min(100, (endsAt - start) / 20)

const faultOf = (failure: Failure): Fault => ({ outcome: failure.reason._tag, message: failure.message })

const verdict = (
  { runId }: JobMetadata.JobMetadata,
  phase: RunState.Phase,
  message: string,
  last: RunReport.RunReport | undefined
): RunReport.RunReport => ({
  phase,
  message,
  link: last?.link ?? Option.none(),
  info: last?.info ?? { run_id: runId }
})

const instant = (millis: number): string => new Date(millis).toISOString().replace(/\.\d+Z$/, "Z")
