/**
 * Runs that Flyte does not know and will not ask for: they are cancelled, as the identity that they were submitted as,
 * and people are told.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import type { Credential } from "@flyte-databricks/databricks-auth"
import * as MetricFamily from "@flyte-databricks/databricks-auth/telemetry/MetricFamily"
import { type JobsClient, type RunId, RunState } from "@flyte-databricks/databricks-jobs"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Semaphore from "effect/Semaphore"
import * as Turns from "../admission/Turns.ts"
import { endByHand } from "../call/byHand.ts"
import { askAgainIfGone, rideOut } from "../call/Faults.ts"
import { Audit } from "../audit/Audit.ts"
import { type OnBehalfOf, runCancelled, runNotCancelled } from "../audit/decisions.ts"
import type { Attempt } from "../IdempotencyToken.ts"

/** Why nobody follows a run. */
export type Why = "superseded" | "unclaimed"

/** A run, and whose it is. */
export interface Run {
  readonly attempt: Attempt
  readonly credential: Credential.Credential
  readonly onBehalfOf?: OnBehalfOf | undefined
  readonly runId: RunId.RunId
}

const reasons: Readonly<Record<Why, string>> = {
  superseded: "Flyte has made another attempt and never asked for this one's run",
  unclaimed: "no create could be answered with it, and its attempt was not created again"
}

const disowned = MetricFamily.counters<"why" | "outcome">(
  "flyte_connector_disowned_runs_total",
  "Runs that Flyte does not know, by why and what became of them"
)

/** How long a cancel is tried. */
const patience = Duration.toMillis("5 minutes")

/** How many are cancelled at once: after an outage there may be many, and others need Databricks too. */
const atOnce = 8

/** Makes the way to end them. */
export const make = Effect.fnUntraced(function* (jobs: JobsClient.JobsClient["Service"]) {
  const turns = yield* Turns.Turns
  const few = yield* Semaphore.make(atOnce)
  const { record } = yield* Audit

  return Effect.fnUntraced(
    function* ({ attempt, credential, onBehalfOf, runId }: Run, why: Why) {
      const subject = { attempt, onBehalfOf, identity: credential.identity }
      // It may be over: another replica may have told Flyte of it.
      const end = Effect.gen(function* () {
        const run = yield* jobs.get(credential, runId).pipe(turns.take("get", credential))
        if (RunState.hasEnded(RunState.toPhaseReport(run).phase)) return "over"
        yield* jobs.cancel(credential, runId).pipe(turns.take("cancel", credential))
        yield* record(() => runCancelled(subject, runId, why))
        return "cancelled"
      })
      const outcome = yield* end.pipe(
        rideOut((yield* Clock.currentTimeMillis) + patience),
        askAgainIfGone,
        Effect.catchReason("JobsError", "RunNotFound", () => Effect.succeed("over")),
        Effect.catch((failure) =>
          Effect.logWarning(
            `Run ${runId} should be cancelled, as ${reasons[why]}: ${failure.message} ${endByHand(runId, undefined)}`
          ).pipe(
            Effect.andThen(record(() => runNotCancelled(subject, runId, why, Cause.fail(failure)))),
            Effect.as("failed")
          )
        )
      )
      if (outcome === "cancelled") yield* Effect.logWarning(`Run ${runId} was cancelled: ${reasons[why]}`)
      yield* Metric.update(disowned({ why, outcome }), 1)
      return yield* Effect.void
    },
    (effect, { attempt, credential, runId }, why) =>
      effect.pipe(few.withPermits(1), Effect.annotateLogs({ ...factsOf({ attempt, credential }), runId, why }))
  )
})

/** Says that there may be a run, and that it could not be found out. */
export const inDoubt = (
  { attempt, credential }: Omit<Run, "runId">,
  failure: { readonly message: string }
): Effect.Effect<void> =>
  Effect.logWarning(
    "Databricks may have taken this job and did not say so: look for its run in the workspace (Job runs). " +
      failure.message
  ).pipe(Effect.annotateLogs(factsOf({ attempt, credential })))

const factsOf = ({ attempt, credential: { identity } }: Omit<Run, "runId">) => ({
  execution: printable([attempt.project, attempt.domain, attempt.execution].join(":"), { maxLength: 300, as: "value" }),
  node: printable(attempt.node, { maxLength: 300, as: "value" }),
  attempt: attempt.retryAttempt,
  instance: identity.instance,
  authType: identity.authType,
  identity: identity.principal
})
