/**
 * What a call can fail with that is neither authentication's nor the Jobs API's: the request itself, or its time.
 */
import type { AuthError } from "@flyte-databricks/databricks-auth"
import type { JobsError } from "@flyte-databricks/databricks-jobs"
import * as Schema from "effect/Schema"

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

/** The caller's deadline came first, or the connector's own where the caller set none. */
export class DeadlinePassed extends Schema.TaggedError<DeadlinePassed>()("DeadlinePassed", {
  operation: Schema.String,
  setBy: Schema.Literals(["caller", "connector"]),
  afterMillis: Schema.Finite,
  waitingFor: Schema.String
}) {
  override get message() {
    return (
      `${this.operation} was given up after ${(this.afterMillis / 1000).toFixed(1)} s, the ${this.setBy}'s deadline, ` +
      `while waiting for ${this.waitingFor}.`
    )
  }
}

export const Reason = Schema.Union([TaskTypeUnknown, RequestIncomplete, DeadlinePassed])

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
