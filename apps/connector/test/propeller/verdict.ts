/**
 * What went wrong in a simulation, by comparing what Flyte believes with what there is in the workspace.
 */
import { Duration } from "effect"
import type { Outcome } from "./Simulation.ts"

/** How often each thing happened that must not happen. */
export interface Verdict {
  /** Tasks that stay for ever in the last phase that Flyte heard. */
  readonly hung: number
  /** Tasks that ended without Databricks having anything to do with it. */
  readonly lost: number
  /** Tasks that ended in another phase than their run. */
  readonly wrongEnd: number
  /** Attempts that have more than one run. */
  readonly doubled: number
  /** Runs that Flyte does not know of though it was told that their attempt has one. */
  readonly orphaned: number
  /** Runs of aborted tasks that were not cancelled. */
  readonly notCancelled: number
  /** Runs that belong to somebody else than the team whose task it is. */
  readonly foreign: number
  /** Attempts that were followed to their end, and whose link Flyte's console never got. */
  readonly withoutLink: number
  /** Answers in a phase that Flyte does not take. */
  readonly unknownPhase: number
  /** Reads of the registry that failed: each empties it. */
  readonly registryEmptied: number
  /** Failures that the connector had no word for. */
  readonly defects: number
}

/** Nothing did. */
export const flawless: Verdict = {
  hung: 0,
  lost: 0,
  wrongEnd: 0,
  doubled: 0,
  orphaned: 0,
  notCancelled: 0,
  foreign: 0,
  withoutLink: 0,
  unknownPhase: 0,
  registryEmptied: 0,
  defects: 0
}

const ends = new Set(["SUCCEEDED", "ABORTED", "FAILED", "RETRYABLE_FAILED"])
const accepted = new Set(["QUEUED", "WAITING_FOR_RESOURCES", "INITIALIZING", "RUNNING", ...ends])

/** Compares the two. */
export const verdictOf = ({ ended, runs, tally }: Outcome): Verdict => {
  const attempts = ended.flatMap(({ attempts }) => attempts)
  const known = new Set(attempts.flatMap(({ runIds }) => [...runIds]))
  const principals = new Map(ended.map(({ order }) => [order.name, order.team.principal]))
  const aborted = ended.filter(({ end }) => end === "aborted")
  const lastRuns = new Set(aborted.flatMap(({ attempts }) => [...(attempts.at(-1)?.runIds ?? [])]))
  const isLost = (end: string) => end.startsWith("lost")
  return {
    hung: ended.filter(({ end }) => end === "hung").length,
    lost: ended.filter(({ end }) => isLost(end)).length,
    wrongEnd: ended.filter(({ end, order }) => end !== order.end && end !== "hung" && !isLost(end)).length,
    doubled: runs.length - new Set(runs.map(({ task, attempt }) => `${task} ${attempt}`)).size,
    orphaned: runs.filter((run) => !known.has(run.runId) && attemptOf(ended, run).runIds.size > 0).length,
    notCancelled: runs.filter(({ runId, resultState }) => lastRuns.has(runId) && resultState !== "CANCELED").length,
    foreign: runs.filter(({ task, principal }) => principals.get(task) !== principal).length,
    withoutLink: attempts.filter(({ phases, seen }) => ends.has(phases.at(-1) ?? "") && !seen.hasLink).length,
    unknownPhase: attempts.flatMap(({ phases }) => phases).filter((phase) => !accepted.has(phase)).length,
    registryEmptied: tally.sum("list failed"),
    defects: tally.sum("log: defect")
  }
}

const attemptOf = (ended: Outcome["ended"], { task, attempt }: Outcome["runs"][number]) => {
  const found = ended.find(({ order }) => order.name === task)?.attempts[attempt]
  if (found === undefined) throw new Error(`a run of no attempt: ${task} ${attempt}`)
  return found
}

/** The runs that Flyte was never told of. */
export interface Unknown {
  readonly runs: number
  /** How many of them are going on at the end. */
  readonly active: number
  /** For how long, at the most, one went on that Flyte had given up already, in seconds. */
  readonly longest: number
}

/** Looks for them. A run is as good as known until its attempt's last create has ended. */
export const unknownOf = ({ ended, lookedAt, runs }: Pick<Outcome, "ended" | "lookedAt" | "runs">): Unknown => {
  const known = new Set(ended.flatMap(({ attempts }) => attempts.flatMap(({ runIds }) => [...runIds])))
  const unknown = runs.filter(({ runId }) => !known.has(runId))
  const seconds = unknown.map(
    (run) => (Math.min(run.until, lookedAt) - Math.max(run.from, attemptOf(ended, run).createdAt)) / 1000
  )
  return {
    runs: unknown.length,
    active: unknown.filter(({ until }) => until > lookedAt).length,
    longest: Math.max(0, ...seconds)
  }
}

/**
 * The share of attempts whose run Flyte was never told of, and nobody ended: those that a crash forgot, and those whose
 * attempt went to another replica. That they are few is all that can be asked.
 */
export const leftBehind = ({ ended, runs }: Outcome): number => {
  const known = new Set(ended.flatMap(({ attempts }) => attempts.flatMap(({ runIds }) => [...runIds])))
  return (
    runs.filter(({ runId, resultState }) => !known.has(runId) && resultState !== "CANCELED").length /
    ended.reduce((sum, { attempts }) => sum + attempts.length, 0)
  )
}

const order = ["QUEUED", "INITIALIZING", "RUNNING"]
const goesBack = (phases: ReadonlyArray<string>) =>
  phases.some(
    (phase, index) =>
      order.indexOf(phase) > order.indexOf(phases[index + 1] ?? "") && order.includes(phases[index + 1] ?? "")
  )

/** How many attempts went back to an earlier phase, by their phases. */
export const goneBack = (attempts: ReadonlyArray<ReadonlyArray<string>>): number => attempts.filter(goesBack).length

/** How many attempts went back to an earlier phase. */
export const takenBack = ({ ended }: Outcome): number =>
  goneBack(ended.flatMap(({ attempts }) => attempts.map(({ phases }) => phases)))

/** The figures of a simulation, for people. */
export const report = (name: string, outcome: Outcome): string => {
  const { ended, lasted, runs, tally } = outcome
  const attempts = ended.flatMap(({ attempts }) => attempts)
  const called = ["databricks", "token", "kubernetes"].map(
    (target) => `${tally.get(`${target} calls`)} to ${target}, ${tally.sum(`${target} fault`)} with a fault`
  )
  return [
    `\n${name}`,
    `${ended.length} tasks, ${attempts.length} attempts, ${runs.length} runs in ${Math.round(Duration.toMinutes(lasted))} virtual minutes`,
    `calls: ${called.join("; ")}`,
    `attempts whose run was left to itself: ${(leftBehind(outcome) * 100).toFixed(2)} %`,
    `attempts that went back to an earlier phase: ${takenBack(outcome)}`,
    `runs that Flyte was never told of: ${JSON.stringify(unknownOf(outcome))}`,
    ...tally.lines(),
    JSON.stringify(verdictOf(outcome))
  ].join("\n")
}
