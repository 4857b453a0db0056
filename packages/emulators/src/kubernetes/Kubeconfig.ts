/**
 * A kubeconfig for the emulator. JSON is YAML, so that every client reads it.
 */
import * as Redacted from "effect/Redacted"
import * as Base64 from "effect/encoding/Base64"

/** The text of a kubeconfig file with one cluster, one user and one context. */
export const kubeconfig = (options: {
  readonly url: string
  readonly caPem: string | undefined
  readonly username: string
  readonly token: Redacted.Redacted
  readonly namespace?: string | undefined
}): string => {
  const name = "emulator"
  const { caPem, namespace, token, url, username } = options
  // Some clients refuse plain HTTP unless verification is off, although there is nothing to verify.
  const trust =
    caPem === undefined ? { "insecure-skip-tls-verify": true } : { "certificate-authority-data": Base64.encode(caPem) }
  return (
    JSON.stringify(
      {
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name, cluster: { server: url, ...trust } }],
        users: [{ name: username, user: { token: Redacted.value(token) } }],
        contexts: [
          { name, context: { cluster: name, user: username, ...(namespace === undefined ? {} : { namespace }) } }
        ],
        "current-context": name
      },
      null,
      2
    ) + "\n"
  )
}
