/** The cluster and the rights in it. */
import { type Entries, error, shown, warning } from "./entry.ts"

export const kubernetes = {
  FDC101: shown(
    "kubernetes-forbids",
    "Kubernetes does not let the connector look there",
    "Apply the rights of deploy/rbac, or set FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore if namespaces bring nothing.",
    "cannot be read: Kubernetes forbids it"
  ),
  FDC102: shown(
    "kubernetes-unavailable",
    "The Kubernetes API does not answer",
    "See how the API server is, and whether a NetworkPolicy keeps the connector from it.",
    "The identity is left undecided rather than guessed"
  ),
  FDC103: warning(
    "fdc103",
    "No Kubernetes is configured, so that namespaces have nothing of their own",
    "Run the command in the connector's pod (kubectl exec), or name a kubeconfig in KUBECONFIG."
  ),
  FDC104: error(
    "fdc104",
    "The configuration of the cluster cannot be used",
    "Correct what the message names: a kubeconfig, or the pod's mounted ServiceAccount."
  ),
  FDC105: error("fdc105", "A right is missing", "Apply the manifest, or add its line to the role."),
  FDC106: warning(
    "fdc106",
    "The connector has more rights than it needs",
    "Replace the rule by that of the manifest, which names the one object."
  ),
  FDC107: warning(
    "fdc107",
    "The namespaces of the cluster may not be listed",
    "Name them with --namespace, or run the command as somebody who may list them."
  )
} as const satisfies Entries
