/**
 * Cancels a run. Flyte asks for it whenever an attempt is over, however it ended, and again until it hears yes: a no
 * blocks the next attempt or kills the workflow. So it is a success that there is nothing left to cancel, and what may
 * pass is ridden out up to the deadline.
 */
import { type AuthError, type Connection, DatabricksAuth, type Identity } from "@flyte-databricks/databricks-auth"
import { JobsClient, type JobsError, type RunId, RunState } from "@flyte-databricks/databricks-jobs"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Turns from "../admission/Turns.ts"
import { Audit } from "../audit/Audit.ts"
import { type OnBehalfOf, runCancelled, runNotCancelled } from "../audit/decisions.ts"
import * as Call from "../call/Call.ts"
import { ConnectorError, type Failure, RunNotCancelled } from "../call/ConnectorError.ts"
import { askAgainIfGone, holdOut } from "../call/Faults.ts"
import { hedged } from "../call/hedged.ts"
import { keyOf, type LastReports } from "./LastReports.ts"
import { MetadataKey } from "./MetadataKey.ts"
import * as PinnedRun from "./PinnedRun.ts"
import type { RunReport } from "./RunReport.ts"
import type { Submissions } from "./Submissions.ts"

/** Makes the way to cancel. */
export const make = Effect.fnUntraced(function* (reports: LastReports, submissions: Submissions) {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const jobs = yield* JobsClient.JobsClient
  const turns = yield* Turns.Turns
  const key = yield* MetadataKey
  const audit = yield* Audit

  const cancel = Effect.fnUntraced(function* (
    resourceMeta: Uint8Array,
    connection: Connection.Connection | undefined,
    learnt: Learnt
  ): Effect.fn.Return<void, Failure> {
    const metadata = yield* PinnedRun.read(key, resourceMeta)
    const { runId } = metadata
    learnt.runId = runId
    learnt.onBehalfOf = Option.match(metadata.namespace, {
      onNone: () => ({}),
      onSome: (namespace) => ({ namespace })
    })
    submissions.known(keyOf(metadata))
    const { report } = reports.of(keyOf(metadata))
    // Also where the identity is gone by now: a run that is over needs none.
    if (report !== undefined && RunState.hasEnded(report.phase)) return
    const attempt = Effect.gen(function* () {
      const credential = yield* PinnedRun.recall(auth, metadata, connection)
      learnt.identity = credential.identity
      const header = yield* PinnedRun.header(auth, credential)
      // A no may be about a run that is over, or come from a right to see it and not to manage it.
      const unlessOver = (refusal: JobsError.JobsError) =>
        jobs.get(credential, runId, { header }).pipe(
          turns.take("get", credential),
          Effect.mapError(() => refusal),
          Effect.filterOrFail(
            (run) => RunState.hasEnded(RunState.toPhaseReport(run).phase),
            () => refusal
          )
        )
      yield* hedged(jobs.cancel(credential, runId, { header })).pipe(
        Call.waitFor(`${credential.identity.instance} to cancel run ${runId}`),
        turns.take("cancel", credential),
        Effect.andThen(audit.record(() => runCancelled(learnt, runId, "asked"))),
        Effect.catchReasons("JobsError", {
          RequestRejected: (_, refusal) => unlessOver(refusal),
          PermissionDenied: (_, refusal) => unlessOver(refusal)
        })
      )
    })
    yield* attempt.pipe(
      holdOut(yield* Call.endsAt),
      askAgainIfGone,
      Effect.catchReason("JobsError", "RunNotFound", () => Effect.void),
      Effect.mapError((failure) =>
        // That nothing was sent is about the connector, and Flyte asks again.
        failure._tag === "ConnectorError" ? failure : notCancelled(runId, report, failure)
      )
    )
  })

  return (resourceMeta: Uint8Array, connection: Connection.Connection | undefined) =>
    Effect.suspend(() => {
      const learnt: Learnt = {}
      return cancel(resourceMeta, connection, learnt).pipe(
        Effect.onError((cause) => audit.record(() => runNotCancelled(learnt, learnt.runId, "asked", cause)))
      )
    })
})

/** What is known of a cancel, for its record. */
interface Learnt {
  runId?: RunId.RunId
  onBehalfOf?: OnBehalfOf
  identity?: Identity.Identity
}

const notCancelled = (
  runId: RunId.RunId,
  report: RunReport | undefined,
  refusal: AuthError.AuthError | JobsError.JobsError
) =>
  new ConnectorError({
    reason: new RunNotCancelled({
      runId,
      refusal,
      ...Option.match(report?.link ?? Option.none(), { onNone: () => ({}), onSome: (page) => ({ page }) })
    })
  })
