/**
 * Everything that can go wrong between a Flyte task and its run on Databricks, as one error with a tagged reason.
 * Fields hold names, kinds, ids and what Databricks said, cut short; never what was sent. `retryable` says whether the
 * same call may succeed later with nothing changed. A failure to get a header is the core's `AuthError`.
 */
import { assignWorkspace } from "@flyte-databricks/databricks-auth/DatabricksCli"
import * as Schema from "effect/Schema"
import { RunId } from "./RunId.ts"

/** The task cannot be made into a job. */
export class JobSpecInvalid extends Schema.TaggedError<JobSpecInvalid>()("JobSpecInvalid", {
  at: Schema.String,
  problem: Schema.String,
  remedy: Schema.String
}) {
  override get message() {
    return `The task cannot run on Databricks: ${this.at} ${this.problem}. ${this.remedy}`
  }
}

/** What Flyte kept for a run is not job metadata. */
export class JobMetadataInvalid extends Schema.TaggedError<JobMetadataInvalid>()("JobMetadataInvalid", {
  problem: Schema.String
}) {
  override get message() {
    return (
      `The job metadata of this task is unusable: ${this.problem}. ` +
      "It is written when the task is created; check that the same kind of connector created it, and run the task again."
    )
  }
}

// What every answer of the Jobs API has in common: what was asked, of whom, and the id that Databricks support asks for.
const answer = {
  operation: Schema.String,
  instance: Schema.String,
  status: Schema.Int,
  errorCode: Schema.optionalKey(Schema.String),
  detail: Schema.String,
  requestId: Schema.optionalKey(Schema.String)
}

const said = ({ status, errorCode, detail, requestId }: Schema.Struct<typeof answer>["Type"]): string =>
  [
    String(status),
    ...(errorCode === undefined ? [] : [` ${errorCode}`]),
    ...(detail === "" ? [] : [`: ${detail}`]),
    ...(requestId === undefined ? [] : [` (request id ${requestId})`])
  ].join("")

/** The workspace knows no such run. */
export class RunNotFound extends Schema.TaggedError<RunNotFound>()("RunNotFound", { ...answer, runId: RunId }) {
  override get message() {
    return (
      `${this.instance} knows no run ${this.runId}: ${said(this)}. ` +
      "Databricks forgets runs after 60 days, and a run is visible only in the workspace it was submitted to."
    )
  }
}

/**
 * A token was given and accepted, and whose it is may not do this: it is not in the workspace, or lacks a grant there.
 */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", {
  ...answer,
  principal: Schema.String,
  /** The service principal, where it is known for one. */
  clientId: Schema.optionalKey(Schema.String),
  workspaceId: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    return (
      `${this.instance} does not let ${this.principal} ${this.operation}: ${said(this)}. ` +
      "It has a token, and is not in this workspace or lacks a permission there: a federation policy or a secret says " +
      `nothing of workspaces. ${this.#remedy()}`
    )
  }
  #remedy(): string {
    const grant = "ive it the permission that it needs (on the cluster, the policy, the notebook or the run)."
    if (this.clientId === undefined) return `Add it, and g${grant}`
    return `This adds it:\n${assignWorkspace(this.clientId, this.workspaceId ?? "WORKSPACE_ID")}\nIf it is there, g${grant}`
  }
}

/** The workspace refuses the token, also a fresh one of the same identity where there is such a thing. */
export class TokenRefused extends Schema.TaggedError<TokenRefused>()("TokenRefused", {
  ...answer,
  principal: Schema.String
}) {
  override get message() {
    return (
      `${this.instance} refused the token of ${this.principal} when asked to ${this.operation}: ${said(this)}. ` +
      `Check that it is not revoked and that it belongs to this workspace.${this.#lacksId()}`
    )
  }
  // In these words an account answers, where nothing says which of its workspaces is meant.
  #lacksId(): string {
    return !this.instance.includes("?") && /unsupported type for this API/.test(this.detail)
      ? ` If ${this.instance} serves several workspaces, add the id of one: ${this.instance}/?o=1234567890.`
      : ""
  }
}

/** The workspace understood and says no. */
export class RequestRejected extends Schema.TaggedError<RequestRejected>()("RequestRejected", answer) {
  override get message() {
    return `${this.instance} rejected the request to ${this.operation}: ${said(this)}.`
  }
}

/** The workspace could not be reached, or failed in a way that may pass. */
export class JobsUnavailable extends Schema.TaggedError<JobsUnavailable>()("JobsUnavailable", {
  operation: Schema.String,
  instance: Schema.String,
  status: Schema.optionalKey(Schema.Int),
  detail: Schema.String,
  requestId: Schema.optionalKey(Schema.String),
  retryAfterMillis: Schema.optionalKey(Schema.Finite),
  /** The request went out and its answer was lost: it may have been carried out. */
  answerLost: Schema.optionalKey(Schema.Literal(true))
}) {
  override get message() {
    const status = this.status === undefined ? "" : `${this.status}, `
    const requestId = this.requestId === undefined ? "" : ` (request id ${this.requestId})`
    return `${this.instance} could not be asked to ${this.operation}: ${status}${this.detail}${requestId}. Try again.`
  }
}

/**
 * Something answered that does not speak the Jobs API. It says nothing about the run, and a proxy's maintenance page
 * goes away by itself.
 */
export class ResponseInvalid extends Schema.TaggedError<ResponseInvalid>()("ResponseInvalid", {
  operation: Schema.String,
  instance: Schema.String,
  status: Schema.Int,
  problem: Schema.String
}) {
  override get message() {
    return (
      `${this.instance} answered ${this.status} when asked to ${this.operation}, but ${this.problem}. ` +
      "Check that the instance is a Databricks workspace and that no proxy or login page answers in its place."
    )
  }
}

export const Reason = Schema.Union([
  JobSpecInvalid,
  JobMetadataInvalid,
  RunNotFound,
  PermissionDenied,
  TokenRefused,
  RequestRejected,
  JobsUnavailable,
  ResponseInvalid
])
export type Reason = typeof Reason.Type

/**
 * The package's one public error.
 */
export class JobsError extends Schema.TaggedError<JobsError>()("JobsError", { reason: Reason }) {
  override get message() {
    return this.reason.message
  }
  get retryable(): boolean {
    return this.reason._tag === "JobsUnavailable" || this.reason._tag === "ResponseInvalid"
  }
  /** How long Databricks asks to wait before the next try; 0 where it does not ask. */
  get retryAfterMillis(): number {
    return this.reason._tag === "JobsUnavailable" ? (this.reason.retryAfterMillis ?? 0) : 0
  }
}
