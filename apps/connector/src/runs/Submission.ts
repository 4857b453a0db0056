/**
 * One submit, what is known of its run, and how long it is seen to.
 */
import type { Credential } from "@flyte-databricks/databricks-auth"
import type { RunId } from "@flyte-databricks/databricks-jobs"
import * as Context from "effect/Context"
import type * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import type * as Schema from "effect/Schema"
import type { Failure } from "../call/ConnectorError.ts"
import type * as Disowned from "./Disowned.ts"
import type * as UnknownRuns from "./UnknownRuns.ts"

/** What is to be submitted, and as whom. */
export interface Order extends UnknownRuns.Held {
  readonly header: Credential.AuthHeader
  readonly body: Schema.JsonObject
  /** Until when a submit that failed for certain is made again, in milliseconds. */
  readonly patientUntil: number
}

/** How long runs that Flyte may not know are seen to. */
export interface Times {
  /**
   * How long one that no create was answered with waits for its attempt to be created again. Flyte 1 looks at a workflow
   * again after ten seconds at the latest, Flyte 2 at once; and what both do as a rule is to make the next attempt. It is
   * longer than that because the attempt may have been created on another replica, which was answered with the same run: then
   * Flyte's polls come here in their turn, and each says that Flyte knows it.
   */
  readonly grace: Duration.Input
  /** How long it is asked whether there is a run, where an answer was lost. */
  readonly doubt: Duration.Input
  /** How long the end of the connector waits: what Kubernetes' thirty seconds leave after a drain of 25. */
  readonly end: Duration.Input
}

export const SubmissionTimes = Context.Reference<Times>("@flyte-databricks/connector/SubmissionTimes", {
  defaultValue: () => ({ grace: "1 minute", doubt: "2 minutes", end: "4 seconds" })
})

/** What becomes of a run that Flyte may not know. */
export type Fate = "known" | Disowned.Why

/** A submit that is under way, or whose run is held. */
export interface Submission extends UnknownRuns.Held {
  readonly answer: Deferred.Deferred<RunId.RunId, Failure>
  /** Tells who waits for its fate. */
  readonly decided: Deferred.Deferred<void>
  fate: Fate | undefined
  /** Its run, once there is one. */
  runId: RunId.RunId | undefined
  /** How many runs of this attempt were cancelled here before it. */
  readonly cancelled: number
  /** How many creates wait for the answer. */
  waiting: number
  patientUntil: number
  state: "asked" | "failed" | "told"
  /** An answer was lost: Databricks may have taken the job. */
  isInDoubt: boolean
}
