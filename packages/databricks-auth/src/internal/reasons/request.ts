/**
 * Why a request is not one that an identity is looked for.
 */
import * as Schema from "effect/Schema"

/** A setting, of the environment or of a task, holds something it must not. */
export class SettingInvalid extends Schema.TaggedError<SettingInvalid>()("SettingInvalid", {
  setting: Schema.String,
  value: Schema.String,
  expected: Schema.String
}) {
  override get message() {
    return `${this.setting} is "${this.value}", expected ${this.expected}.`
  }
}

/** Neither the task nor the environment names a workspace. */
export class InstanceMissing extends Schema.TaggedError<InstanceMissing>()("InstanceMissing", {}) {
  override get message() {
    return (
      "No Databricks instance: set databricks_instance on the task, " +
      "or FLYTE_DATABRICKS_INSTANCE on the connector (e.g. dbc-a1b2.cloud.databricks.com)."
    )
  }
}

/** The workspace named is not one that credentials may be sent to. */
export class InstanceRefused extends Schema.TaggedError<InstanceRefused>()("InstanceRefused", {
  instance: Schema.String,
  why: Schema.String,
  allowed: Schema.Array(Schema.String)
}) {
  override get message() {
    const allowed =
      this.allowed.length === 0
        ? ""
        : ` Credentials go only to ${this.allowed.join(", ")}; an operator lists more in FLYTE_DATABRICKS_ALLOWED_INSTANCES.`
    return `Databricks instance "${this.instance}" is refused: ${this.why}.${allowed}`
  }
}

/** The request's namespace, or what the template makes of it, cannot be a namespace. */
export class NamespaceInvalid extends Schema.TaggedError<NamespaceInvalid>()("NamespaceInvalid", {
  namespace: Schema.String,
  template: Schema.String,
  /** The parts that the template asks for and the request does not have. */
  missing: Schema.Array(Schema.String)
}) {
  override get message() {
    if (this.missing.length > 0) {
      return (
        `FLYTE_DATABRICKS_NAMESPACE_TEMPLATE "${this.template}" asks for ${this.missing.join(" and ")}, ` +
        "which the request does not have: it is not known whose credentials it may use."
      )
    }
    return (
      `"${this.namespace}", made by FLYTE_DATABRICKS_NAMESPACE_TEMPLATE "${this.template}", is not a Kubernetes namespace: ` +
      "expected 1 to 63 lower-case letters, digits and hyphens."
    )
  }
}

/** What the template makes of the request could be made of another one too. */
export class NamespaceAmbiguous extends Schema.TaggedError<NamespaceAmbiguous>()("NamespaceAmbiguous", {
  template: Schema.String,
  part: Schema.String,
  value: Schema.String
}) {
  override get message() {
    return (
      `The ${this.part} "${this.value}" has a hyphen, so what FLYTE_DATABRICKS_NAMESPACE_TEMPLATE "${this.template}" makes of it ` +
      "could be another request's namespace too. Only the project may have hyphens where a template has several parts."
    )
  }
}

/** The namespace is none of those that this connector serves. */
export class NamespaceNotServed extends Schema.TaggedError<NamespaceNotServed>()("NamespaceNotServed", {
  namespace: Schema.String,
  served: Schema.Array(Schema.String)
}) {
  override get message() {
    return (
      `Namespace ${this.namespace} is not served here: only ${this.served.join(", ")}. ` +
      "An operator lists namespaces in FLYTE_DATABRICKS_NAMESPACES."
    )
  }
}

/** The task sets authentication keys and the operator does not let tasks do so. */
export class TaskOverrideRefused extends Schema.TaggedError<TaskOverrideRefused>()("TaskOverrideRefused", {
  keys: Schema.Array(Schema.String)
}) {
  override get message() {
    return (
      `The task sets ${this.keys.join(", ")}, but this connector runs with FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE=false: ` +
      "remove these settings from the task, or ask the operator to allow them."
    )
  }
}
