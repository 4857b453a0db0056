/**
 * Kubernetes is configured, but not in a way that it can be used: found when the layer is built, so that a connector
 * does not start on half a configuration. A message never repeats what a file holds.
 */
import * as Schema from "effect/Schema"

/** A kubeconfig that is named, or found in the default place, cannot be read. */
export class KubeconfigUnreadable extends Schema.TaggedError<KubeconfigUnreadable>()("KubeconfigUnreadable", {
  file: Schema.String,
  namedBy: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return (
      `The kubeconfig ${this.file} (named by ${this.namedBy}) cannot be read: ${this.problem}. ` +
      "Correct the path or the file's permissions; to run without that cluster, stop naming the file."
    )
  }
}

/** A kubeconfig was read, but is not whole. */
export class KubeconfigInvalid extends Schema.TaggedError<KubeconfigInvalid>()("KubeconfigInvalid", {
  file: Schema.String,
  problem: Schema.String,
  remedy: Schema.String
}) {
  override get message() {
    return `The kubeconfig ${this.file} cannot be used: ${this.problem}. ${this.remedy}`
  }
}

/** The pod's mounted ServiceAccount, or the API server's address in its environment, is not whole. */
export class InClusterInvalid extends Schema.TaggedError<InClusterInvalid>()("InClusterInvalid", {
  problem: Schema.String,
  remedy: Schema.String
}) {
  override get message() {
    return `The in-cluster configuration cannot be used: ${this.problem}. ${this.remedy}`
  }
}

/**
 * The package's one public error.
 */
export class KubernetesConfigError extends Schema.TaggedError<KubernetesConfigError>()("KubernetesConfigError", {
  reason: Schema.Union([KubeconfigUnreadable, KubeconfigInvalid, InClusterInvalid])
}) {
  override get message() {
    return this.reason.message
  }
}
