/**
 * Why there is no control plane, or why it did not do what was asked of it.
 */
import * as Schema from "effect/Schema"

/** The binaries are not there. */
export class AssetsMissing extends Schema.TaggedError<AssetsMissing>()("AssetsMissing", {
  folder: Schema.String,
  missing: Schema.Array(Schema.String)
}) {
  override get message() {
    return `No ${this.missing.join(" and ")} in ${this.folder}. Run \`npm run setup:kubernetes\`, or set KUBEBUILDER_ASSETS to a folder that has kube-apiserver and etcd`
  }
}

/** A process ended, or was not ready in time. */
export class StartFailed extends Schema.TaggedError<StartFailed>()("StartFailed", {
  problem: Schema.String,
  /** The last lines of each process, by its name. */
  logs: Schema.Record(Schema.String, Schema.Array(Schema.String))
}) {
  override get message() {
    const logs = Object.entries(this.logs).map(
      ([name, lines]) => `\n\n${name} said last:\n${lines.length === 0 ? "(nothing)" : lines.join("\n")}`
    )
    return `The Kubernetes control plane did not start: ${this.problem}.${logs.join("")}`
  }
}

/** The API server did not do what was asked. */
export class RequestFailed extends Schema.TaggedError<RequestFailed>()("RequestFailed", {
  request: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `${this.request} failed: ${this.problem}`
  }
}

/** A ServiceAccount may not do what it should, or still may do what it should not. */
export class AccessUnchanged extends Schema.TaggedError<AccessUnchanged>()("AccessUnchanged", {
  serviceAccount: Schema.String,
  right: Schema.String,
  expected: Schema.Boolean
}) {
  override get message() {
    return `The ServiceAccount ${this.serviceAccount} is ${this.expected ? "not" : "still"} allowed ${this.right}. Look at the Role, the binding and their names`
  }
}

/** What was to be applied cannot be told to the API server. */
export class InvalidManifest extends Schema.TaggedError<InvalidManifest>()("InvalidManifest", {
  problem: Schema.String
}) {
  override get message() {
    return `The manifest cannot be applied: ${this.problem}`
  }
}

/** Why the control plane failed; `reason` says which way. */
export class ControlPlaneError extends Schema.TaggedError<ControlPlaneError>()("ControlPlaneError", {
  reason: Schema.Union([AssetsMissing, StartFailed, RequestFailed, AccessUnchanged, InvalidManifest])
}) {
  override get message() {
    return this.reason.message
  }
}
