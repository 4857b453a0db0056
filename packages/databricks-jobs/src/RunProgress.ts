/**
 * A run from its submit to its end, for whoever watches it.
 */
import type { AuthError } from "@flyte-databricks/databricks-auth/AuthError"
import type { Credential } from "@flyte-databricks/databricks-auth/Credential"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { JobsClient } from "./JobsClient.ts"
import type { JobsError } from "./JobsError.ts"
import type { RunId } from "./RunId.ts"
import * as RunState from "./RunState.ts"

/** How a run is doing. `page` is where people look at it. */
export const RunProgress = Schema.Struct({
  phase: RunState.Phase,
  message: Schema.String,
  ended: Schema.Boolean,
  page: Schema.optionalKey(Schema.String)
})
export type RunProgress = typeof RunProgress.Type

/** How many times in a row a request that failed is tried again before the stream fails. */
const patience = 3

/**
 * Asks how a run is doing, at this interval, until it has ended. A failure that may pass is tried again a few times. For
 * a run that has ended already, one question is all.
 */
export const follow = (
  jobs: JobsClient["Service"],
  credential: Credential,
  runId: RunId,
  interval: Duration.Input
): Stream.Stream<RunProgress, AuthError | JobsError> => {
  const ask = jobs.get(credential, runId).pipe(
    Effect.retry({ times: patience, schedule: Schedule.spaced(interval), while: (error) => error.retryable }),
    Effect.map((run): RunProgress => {
      const report = RunState.toPhaseReport(run)
      return {
        ...report,
        ended: RunState.hasEnded(report.phase),
        ...(typeof run.run_page_url === "string" ? { page: run.run_page_url } : {})
      }
    })
  )
  return Stream.fromEffectSchedule(ask, Schedule.spaced(interval)).pipe(Stream.takeUntil(({ ended }) => ended))
}
