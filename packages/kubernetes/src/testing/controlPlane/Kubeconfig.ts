/**
 * A kubeconfig for the control plane.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Redacted from "effect/Redacted"

/** The text of a kubeconfig file with one cluster, one user and one context. JSON is YAML. */
export const kubeconfig = (options: {
  readonly url: string
  readonly caPem: string
  readonly user: string
  readonly token: Redacted.Redacted
}) =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "control-plane",
        cluster: { server: options.url, "certificate-authority-data": Base64.encode(options.caPem) }
      }
    ],
    users: [{ name: options.user, user: { token: Redacted.value(options.token) } }],
    contexts: [{ name: "test", context: { cluster: "control-plane", user: options.user } }],
    "current-context": "test"
  })
