/**
 * A pod's own ServiceAccount: the API server's address from its environment, token and certificate authority from the
 * files that the kubelet mounts and replaces.
 */
import { Unavailable } from "@flyte-databricks/databricks-auth/Kubernetes"
import * as LiveSecrets from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import { readFile } from "node:fs/promises"
import { createSecureContext } from "node:tls"
import type { ClusterConfig } from "../ClusterConfig.ts"
import { InClusterInvalid, KubernetesConfigError } from "../KubernetesConfigError.ts"
import type { Cluster } from "./call.ts"
import type { Credentials } from "./credentials.ts"
import { describeFault } from "./faults.ts"

/** For how long what was read counts; the kubelet replaces a token long before it ends. */
const current = 60_000

/** Loads what was located; what is wrong with it fails here. */
export const load = Effect.fnUntraced(function* ({ server, directory }: Extract<ClusterConfig, { _tag: "InCluster" }>) {
  const path = yield* Path.Path
  const caFile = path.join(directory, "ca.crt")
  const invalid = (problem: string) =>
    new KubernetesConfigError({
      reason: new InClusterInvalid({
        problem,
        remedy: `Check KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT and what is mounted at ${directory}.`
      })
    })
  const url = URL.parse(server)
  if (url === null) return yield* invalid("its server is not a URL")
  const ca = yield* Effect.tryPromise({
    try: () => readFile(caFile, "utf8"),
    catch: (error) => invalid(`its certificates or key cannot be used (${describeFault(error)})`)
  })
  if (!ca.includes("-----BEGIN")) return yield* invalid("its certificate authority is not in PEM format")
  yield* Effect.try({
    try: () => createSecureContext({ ca }),
    catch: (error) => invalid(`its certificates or key cannot be used (${describeFault(error)})`)
  })
  const address = `${url.protocol}//${url.host}`
  return {
    server,
    address,
    description: `in-cluster (${address})`,
    source: sourceOf(path.join(directory, "token"), caFile)
  } satisfies Cluster & Record<string, unknown>
})

const sourceOf = (tokenFile: string, caFile: string): Cluster["source"] => {
  let known: { readonly credentials: Credentials; readonly at: number } | undefined

  const read = Effect.gen(function* () {
    const [text, ca] = yield* Effect.tryPromise({
      try: () => Promise.all([readFile(tokenFile, "utf8"), readFile(caFile, "utf8")]),
      catch: (error) => new Unavailable({ detail: `the credentials for it cannot be read (${describeFault(error)})` })
    })
    const token = text.trim()
    // An anonymous request would be answered with 403, as if the connector lacked a right.
    if (token === "") return yield* new Unavailable({ detail: "the credentials for it are empty" })
    LiveSecrets.add(Redacted.make(token))
    const credentials: Credentials = {
      headers: Redacted.make({ authorization: `Bearer ${token}` }, { label: "credentials" }),
      transport: { tls: { ca }, proxyUrl: undefined }
    }
    known = { credentials, at: yield* Clock.currentTimeMillis }
    return credentials
  })

  return {
    current: Effect.flatMap(Clock.currentTimeMillis, (now) =>
      known !== undefined && now - known.at < current ? Effect.succeed(known.credentials) : read
    ),
    renew: () => read
  }
}
