/**
 * What Databricks says about a run, and the Flyte phase it amounts to. Databricks says it twice: in `state`, deprecated
 * but always there, and in `status`, which knows why a run waits or ended. A word that is not known yet is never taken
 * for an end: the phase stays RUNNING and the message has the word.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as Schema from "effect/Schema"
import { boundedText } from "./internal/boundedText.ts"

/**
 * The phases that Flyte is told. UNDEFINED is not among them: Flyte 2 fails the task for good when it sees it. Nor is
 * ABORTED: Flyte drops its message, and takes it for the permanent failure that FAILED is. Where Flyte itself aborts a
 * task, it says so without asking how the run is doing.
 */
export const Phase = Schema.Literals([
  "QUEUED",
  "WAITING_FOR_RESOURCES",
  "INITIALIZING",
  "RUNNING",
  "SUCCEEDED",
  "FAILED",
  "RETRYABLE_FAILED"
])
export type Phase = typeof Phase.Type

const text = (maxLength: number) => Schema.optionalKey(Schema.NullOr(boundedText(maxLength)))
const word = text(200)
const message = text(8192)
const details = { code: word, message }
const nullable = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

/** Whether a run in this phase has ended, whichever way. */
export const hasEnded = (phase: Phase): boolean => phase === "SUCCEEDED" || isFailure(phase)

/** Whether a run in this phase has failed. */
export const isFailure = (phase: Phase): boolean => phase === "FAILED" || phase === "RETRYABLE_FAILED"

/** The part of a `runs/get` answer that tells how a run is doing. */
export const RunState = Schema.Struct({
  state: nullable(
    Schema.Struct({ life_cycle_state: word, result_state: word, state_message: message, queue_reason: message })
  ),
  status: nullable(
    Schema.Struct({
      state: word,
      termination_details: nullable(Schema.Struct({ ...details, type: word })),
      queue_details: nullable(Schema.Struct(details))
    })
  )
})
export type RunState = typeof RunState.Type

/** A phase, and what to tell the task's author about it. */
export interface PhaseReport {
  readonly phase: Phase
  readonly message: string
}

const lifeCycles: ReadonlyMap<string, Phase | "ENDED"> = new Map([
  ["QUEUED", "QUEUED"],
  ["BLOCKED", "QUEUED"],
  ["WAITING_FOR_RETRY", "QUEUED"],
  // `status` alone: a cost-optimised run that Databricks holds back until compute is cheap.
  ["WAITING", "QUEUED"],
  ["PENDING", "INITIALIZING"],
  ["RUNNING", "RUNNING"],
  ["TERMINATING", "RUNNING"],
  ["TERMINATED", "ENDED"],
  ["SKIPPED", "FAILED"],
  ["INTERNAL_ERROR", "RETRYABLE_FAILED"]
])

const results: ReadonlyMap<string, Phase> = new Map([
  ["SUCCESS", "SUCCEEDED"],
  ["SUCCESS_WITH_FAILURES", "SUCCEEDED"],
  ["FAILED", "FAILED"],
  ["TIMEDOUT", "FAILED"],
  ["UPSTREAM_FAILED", "FAILED"],
  ["UPSTREAM_CANCELED", "FAILED"],
  ["EXCLUDED", "FAILED"],
  ["DISABLED", "FAILED"],
  ["CANCELED", "FAILED"],
  ["MAXIMUM_CONCURRENT_RUNS_REACHED", "RETRYABLE_FAILED"]
])

// Termination codes are many; these are the ones that say more than their type does.
const terminationCodes: ReadonlyMap<string, Phase> = new Map([
  ["USER_CANCELED", "FAILED"],
  ["CANCELED", "FAILED"],
  ["MAX_CONCURRENT_RUNS_EXCEEDED", "RETRYABLE_FAILED"]
])

const terminationTypes: ReadonlyMap<string, Phase> = new Map([
  ["SUCCESS", "SUCCEEDED"],
  ["CLIENT_ERROR", "FAILED"],
  ["CLOUD_FAILURE", "RETRYABLE_FAILED"],
  ["INTERNAL_ERROR", "RETRYABLE_FAILED"]
])

/** Reports a run to Flyte. */
export const toPhaseReport = (run: RunState): PhaseReport => {
  const phase = phaseOf(run)
  const said = [...(phase === undefined ? [unknownWords(run)] : []), ...explanations(run)]
  return { phase: phase ?? "RUNNING", message: printable(said.join("; "), { maxLength: 4096 }) }
}

/** Whether the run was cancelled in Databricks. There is no more to say of why it ended, and it leaves no output. */
export const wasCancelled = (run: RunState): boolean =>
  run.state?.result_state === "CANCELED" || wasCancelledByUser(run)

const wasCancelledByUser = ({ status }: RunState): boolean => status?.termination_details?.code === "USER_CANCELED"

const lookUp = <A>(table: ReadonlyMap<string, A>, word: string | null | undefined): A | undefined =>
  typeof word === "string" ? table.get(word) : undefined

const phaseOfLifeCycle = ({ state, status }: RunState): Phase | "ENDED" | undefined =>
  lookUp(lifeCycles, state?.life_cycle_state) ?? lookUp(lifeCycles, status?.state)

/** The phase that a run amounts to; none where Databricks says it in words that are not known. */
export const phaseOf = (run: RunState): Phase | undefined => {
  const lifeCycle = phaseOfLifeCycle(run)
  if (lifeCycle === "ENDED") return phaseOfEnd(run)
  if (lifeCycle === "FAILED") return outage(run) ?? lifeCycle
  // Whoever cancelled the run does not want it started again.
  return lifeCycle === "RETRYABLE_FAILED" && wasCancelledByUser(run) ? "FAILED" : lifeCycle
}

/** Databricks or its cloud failed, whatever became of the run: worth another attempt, unless a user cancelled it. */
const outage = (run: RunState): Phase | undefined => {
  const byType = lookUp(terminationTypes, run.status?.termination_details?.type)
  return byType === "RETRYABLE_FAILED" && !wasCancelledByUser(run) ? byType : undefined
}

const phaseOfEnd = (run: RunState): Phase | undefined =>
  outage(run) ??
  lookUp(results, run.state?.result_state) ??
  lookUp(terminationCodes, run.status?.termination_details?.code) ??
  lookUp(terminationTypes, run.status?.termination_details?.type)

const unknownWords = ({ state, status }: RunState): string => {
  const words = [
    ["life_cycle_state", state?.life_cycle_state],
    ["result_state", state?.result_state],
    ["status.state", status?.state],
    ["termination type", status?.termination_details?.type]
  ].flatMap(([name, word]) => (typeof word === "string" ? [`${name} ${printable(word, { maxLength: 100 })}`] : []))
  return words.length === 0
    ? "Databricks reports no state for this run"
    : `Databricks reports a state that this connector does not know (${words.join(", ")})`
}

/** What Databricks says in its own words, each thing once. */
const explanations = (run: RunState): ReadonlyArray<string> => {
  const { state, status } = run
  const termination = status?.termination_details
  const queue = status?.queue_details
  const codes = [termination?.code, termination?.type].filter(isGiven).filter((code) => code !== "SUCCESS")
  const said = [
    state?.state_message,
    termination?.message,
    codes.length === 0 ? undefined : `terminated with ${[...new Set(codes)].join(", ")}`,
    queue?.message ?? state?.queue_reason,
    isGiven(queue?.code) ? `queued because of ${queue.code}` : undefined
  ].filter(isGiven)
  return said.length === 0 && wasCancelled(run) ? ["cancelled in Databricks"] : [...new Set(said)]
}

const isGiven = (value: string | null | undefined): value is string => typeof value === "string" && value.trim() !== ""
