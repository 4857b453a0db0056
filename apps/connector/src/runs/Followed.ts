/**
 * How many runs Flyte is following here: those that it has asked for lately, and that had not ended.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Clock from "effect/Clock"
import type * as Scope from "effect/Scope"
import * as MetricFamily from "@flyte-databricks/databricks-auth/telemetry/MetricFamily"
import type { RunKey } from "./LastReports.ts"

// Flyte asks every thirty seconds, less often where there are many runs, and other replicas in turn.
const lately = Duration.toMillis("10 minutes")

const most = 10_000

/** Notes polls. */
export interface Followed {
  readonly polled: (run: RunKey, hasEnded: boolean, at: number) => void
}

/** Shows their number for as long as the scope is open. */
export const make: Effect.Effect<Followed, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  // A Map keeps the order in which keys were added: the first was not asked for longest.
  const polls = new Map<RunKey, number>()
  const forgetBefore = (moment: number) => {
    for (const [run, at] of polls) {
      if (at >= moment && polls.size <= most) return
      polls.delete(run)
    }
  }
  yield* MetricFamily.observed(
    "flyte_databricks_runs_followed",
    "Runs that Flyte has asked for in ten minutes",
    {},
    () => {
      forgetBefore(clock.currentTimeMillisUnsafe() - lately)
      return polls.size
    }
  )
  return {
    polled: (run, hasEnded, at) => {
      polls.delete(run)
      if (!hasEnded) polls.set(run, at)
      if (polls.size > most) forgetBefore(-Infinity)
    }
  }
})
