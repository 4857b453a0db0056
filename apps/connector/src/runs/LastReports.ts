/**
 * What is known of runs from their polls: the last report, and since when there has been no other. It lets a poll answer
 * while Databricks does not. Nothing that matters is lost with it: a connector that starts anew knows no run until it
 * has asked once.
 */
import * as Option from "effect/Option"
import * as Kept from "./Kept.ts"
import type { RunReport } from "./RunReport.ts"

/** A run: the workspace's host and the run's id there. */
export type RunKey = `${string} ${string}`

/** The key of a run, by what its metadata says. */
export const keyOf = ({ instance, runId }: { readonly instance: string; readonly runId: string }): RunKey =>
  `${instance} ${runId}`

/** What is known of a run. */
export interface Known {
  readonly report: RunReport | undefined
  /** When the run was submitted here, in milliseconds, as long as nothing was heard of it since. */
  readonly submittedAt: number | undefined
  /** When its first poll failed that no good one followed, in milliseconds. */
  readonly faultySince: number | undefined
  /** When the workspace first said that it does not know the run, and has said nothing else since. */
  readonly missingSince: number | undefined
}

/**
 * Remembers runs; those not polled for longest are forgotten first.
 */
export interface LastReports {
  readonly of: (run: RunKey) => Known
  readonly submitted: (run: RunKey, report: RunReport, at: number) => void
  readonly reported: (run: RunKey, report: RunReport) => void
  /** Records a failed poll. Returns when the current series of failures began. */
  readonly failed: (run: RunKey, at: number) => number
  /** Records that the workspace does not know the run. Returns when it first said so. */
  readonly missing: (run: RunKey, at: number) => number
}

const unknown: Known = { report: undefined, submittedAt: undefined, faultySince: undefined, missingSince: undefined }

/** How much is remembered. A report has about 1 KB; a workspace could make it thirty. */
export const most: Kept.Most = { entries: 10_000, characters: 8 * 1024 * 1024 }

const charactersOf = ({ report }: Known): number =>
  report === undefined
    ? 0
    : report.message.length + Kept.charactersOf(report.info) + Option.getOrElse(report.link, () => "").length

/**
 * Remembers runs.
 */
export const make = (limits: Kept.Most = most): LastReports => {
  const runs = Kept.make<RunKey, Known>(limits)
  const keep = (run: RunKey, known: Known) => runs.set(run, known, run.length + charactersOf(known))
  const of = (run: RunKey) => runs.get(run) ?? unknown
  const since = (what: "faultySince" | "missingSince") => (run: RunKey, at: number) => {
    const known = of(run)
    const first = known[what] ?? at
    keep(run, { ...known, [what]: first })
    return first
  }
  return {
    of,
    submitted: (run, report, submittedAt) => keep(run, { ...unknown, report, submittedAt }),
    reported: (run, report) => keep(run, { ...unknown, report }),
    failed: since("faultySince"),
    missing: since("missingSince")
  }
}
