/**
 * What is known of runs from their polls: the last report, and since when there has been no other. It lets a poll answer
 * while Databricks does not. Nothing that matters is lost with it: a connector that starts anew knows no run, and says
 * QUEUED until it has asked once.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RunReport } from "./RunReport.ts"

/** A run: the workspace's host and the run's id there. */
export type RunKey = `${string} ${string}`

/** The key of a run, by what its metadata says. */
export const keyOf = ({ instance, runId }: { readonly instance: string; readonly runId: string }): RunKey =>
  `${instance} ${runId}`

/**
 * What is known of a run.
 */
export interface Known {
  readonly report: RunReport | undefined
  /** When its first poll failed that no good one followed, in milliseconds. */
  readonly faultySince: number | undefined
}

/**
 * Remembers runs, at most `Capacity` of them: those not polled for longest are forgotten first.
 */
export class LastReports extends Context.Service<
  LastReports,
  {
    readonly of: (run: RunKey) => Known
    readonly reported: (run: RunKey, report: RunReport) => void
    /** A poll failed at this moment; the answer is when the first of a row did. */
    readonly failed: (run: RunKey, at: number) => number
  }
>()("@flyte-databricks/connector/LastReports") {}

/**
 * How many runs are remembered, at about 1 KB each.
 */
export const Capacity = Context.Reference<number>("@flyte-databricks/connector/LastReportsCapacity", {
  defaultValue: () => 10_000
})

const unknown: Known = { report: undefined, faultySince: undefined }

export const layer: Layer.Layer<LastReports> = Layer.effect(
  LastReports,
  Effect.map(Capacity, (capacity) => {
    // A Map keeps the order in which keys were added: the first is the one that was not touched for longest.
    const runs = new Map<RunKey, Known>()
    const keep = (run: RunKey, known: Known) => {
      runs.delete(run)
      runs.set(run, known)
      for (const oldest of runs.keys()) {
        if (runs.size <= capacity) return
        runs.delete(oldest)
      }
    }
    const of = (run: RunKey) => runs.get(run) ?? unknown
    return LastReports.of({
      of,
      reported: (run, report) => keep(run, { report, faultySince: undefined }),
      failed: (run, at) => {
        const { report, faultySince = at } = of(run)
        keep(run, { report, faultySince })
        return faultySince
      }
    })
  })
)
