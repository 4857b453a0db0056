/**
 * What a call can fail with that is neither authentication's nor the Jobs API's: the request itself, or its time.
 */
import { AuthError } from "@flyte-databricks/databricks-auth"
import { JobsError, RunId } from "@flyte-databricks/databricks-jobs"
import * as Schema from "effect/Schema"
import { endByHand } from "./byHand.ts"

/** No task type of this name is served. */
export class TaskTypeUnknown extends Schema.TaggedError<TaskTypeUnknown>()("TaskTypeUnknown", {
  taskType: Schema.String,
  served: Schema.Array(Schema.String)
}) {
  override get message() {
    return `Cannot find connector for task type: ${this.taskType}. This connector serves ${this.served.join(" and ")}.`
  }
}

/** The request lacks a part that Flyte always sends. */
export class RequestIncomplete extends Schema.TaggedError<RequestIncomplete>()("RequestIncomplete", {
  operation: Schema.String,
  missing: Schema.String
}) {
  override get message() {
    return `${this.operation} needs ${this.missing}, and the request has none.`
  }
}

/** The caller's deadline came first, the connector's own where the caller set none, or what a setting allows. */
export class DeadlinePassed extends Schema.TaggedError<DeadlinePassed>()("DeadlinePassed", {
  operation: Schema.String,
  setBy: Schema.Literals(["caller", "connector", "FLYTE_DATABRICKS_CREATE_PATIENCE"]),
  afterMillis: Schema.Finite,
  waitingFor: Schema.String,
  /** How many tries failed before. */
  setbacks: Schema.Int,
  lastSetback: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    const whose = this.setBy === "caller" || this.setBy === "connector" ? `the ${this.setBy}'s deadline` : this.setBy
    const tries = this.setbacks === 1 ? "One try" : `${this.setbacks} tries`
    const before = this.lastSetback === undefined ? "" : ` ${tries} failed before; the last: ${this.lastSetback}`
    return (
      `${this.operation} was given up after ${(this.afterMillis / 1000).toFixed(1)} s, ${whose}, ` +
      `while waiting for ${this.waitingFor}.${before}`
    )
  }
}

/** A request to Databricks was not made: its turn would have come after the caller's deadline, or too many wait. */
export class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", {
  /** As in "was not asked to …". */
  operation: Schema.String,
  instance: Schema.optionalKey(Schema.String),
  why: Schema.Literals(["full", "late"]),
  /** How many others wait. */
  waiting: Schema.Int,
  /** The limit that others wait for too, and the setting that says it. */
  limit: Schema.Finite,
  setting: Schema.String
}) {
  override get message() {
    const why =
      this.why === "full"
        ? `${this.waiting} requests wait for their turn, and no more are taken`
        : `its turn would have come too late for the caller's deadline; ${this.waiting} other requests wait for theirs`
    return (
      `${this.instance ?? "Databricks"} was not asked to ${this.operation}: ${why}. Nothing was sent. Try again later. ` +
      `If it lasts, add replicas, or see docs/deadlines.md for the limit that holds (${this.setting}=${this.limit}).`
    )
  }
}

/** A run could not be cancelled, and may go on. */
export class RunNotCancelled extends Schema.TaggedError<RunNotCancelled>()("RunNotCancelled", {
  runId: RunId.RunId,
  /** The run's page, where it is known. */
  page: Schema.optionalKey(Schema.String),
  refusal: Schema.Union([AuthError.AuthError, JobsError.JobsError])
}) {
  /** What the log shows: the cause tells more than that there is one. */
  get outcome(): string {
    return this.refusal.reason._tag
  }
  override get message() {
    return `Run ${this.runId} was not cancelled: ${this.refusal.message} ${endByHand(this.runId, this.page)}`
  }
}

/** What Flyte kept of a run was not signed by this connector. */
export class MetadataRefused extends Schema.TaggedError<MetadataRefused>()("MetadataRefused", {
  problem: Schema.String
}) {
  override get message() {
    return (
      `The job metadata of this task is refused: ${this.problem}. Where nobody forged it, see docs/versions.md for the ` +
      "way of runs under way to another key, or from none; else run the task again."
    )
  }
}

/** What is about to be done cannot be recorded, and is not to be done then. */
export class AuditUnavailable extends Schema.TaggedError<AuditUnavailable>()("AuditUnavailable", {
  /** The stream or the file. */
  device: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return (
      `Nothing was submitted, because the audit event could not be written to ${this.device}: ${this.problem}. ` +
      "FLYTE_DATABRICKS_AUDIT_REQUIRED=true asks for that. See to the device (room, rights, whoever reads it), and try again."
    )
  }
}

/** A page of logs was asked for by a token that was not given for this run. */
export class PageTokenInvalid extends Schema.TaggedError<PageTokenInvalid>()("PageTokenInvalid", {
  runId: RunId.RunId
}) {
  override get message() {
    return `The page token is none of run ${this.runId}'s. Ask without a token for the first page, then with the token of the page before.`
  }
}

/** Metrics were asked for. */
export class MetricsUnavailable extends Schema.TaggedError<MetricsUnavailable>()("MetricsUnavailable", {}) {
  override get message() {
    return "There are no metrics: Databricks gives none of a run to its API. The run's page has those of its cluster."
  }
}

export const Reason = Schema.Union([
  TaskTypeUnknown,
  RequestIncomplete,
  DeadlinePassed,
  Overloaded,
  RunNotCancelled,
  MetadataRefused,
  AuditUnavailable,
  PageTokenInvalid,
  MetricsUnavailable
])

/**
 * The app's one error of its own.
 */
export class ConnectorError extends Schema.TaggedError<ConnectorError>()("ConnectorError", { reason: Reason }) {
  override get message() {
    return this.reason.message
  }
}

/**
 * Everything that a call can fail with.
 */
export type Failure = AuthError.AuthError | JobsError.JobsError | ConnectorError
