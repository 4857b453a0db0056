/**
 * Which cluster the connector belongs to. Precedence: the kubeconfig that `KUBECONFIG` names, then the pod's own
 * ServiceAccount, then `~/.kube/config`. What an operator names wins over what happens to be there.
 */
import * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { InClusterInvalid, KubernetesConfigError } from "./KubernetesConfigError.ts"

/**
 * Where the API server's address and the credentials for it come from.
 */
export type ClusterConfig = Data.TaggedEnum<{
  /** The pod's environment and its mounted ServiceAccount: `token` and `ca.crt` in `directory`. */
  InCluster: { readonly server: string; readonly directory: string }
  /** One kubeconfig, or several that are merged as kubectl does it. `namedBy` is what an error shows. */
  Kubeconfig: { readonly files: ReadonlyArray<string>; readonly namedBy: string }
}>

export const { InCluster, Kubeconfig } = Data.taggedEnum<ClusterConfig>()

/**
 * Where the kubelet mounts a pod's ServiceAccount.
 */
export const serviceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount"

// Blank counts as unset, as for every other setting.
const variable = (name: string) =>
  Config.option(Config.String(name)).pipe(
    Config.map((value) =>
      Option.filter(
        Option.map(value, (text) => text.trim()),
        (text) => text !== ""
      )
    )
  )

const variables = Config.all({
  kubeconfig: variable("KUBECONFIG"),
  host: variable("KUBERNETES_SERVICE_HOST"),
  port: variable("KUBERNETES_SERVICE_PORT"),
  home: variable("HOME")
})

/**
 * Finds the cluster; none where nothing is configured. Nothing is read here but the environment and which files exist.
 */
export const locate = Effect.gen(function* () {
  const given = yield* variables
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path

  const delimiter = path.sep === "\\" ? ";" : ":"
  const named = Option.match(given.kubeconfig, { onNone: () => [], onSome: (list) => list.split(delimiter) })
    .map((file) => file.trim())
    .filter((file) => file !== "")
  if (named.length > 0) return Option.some(Kubeconfig({ files: named, namedBy: "KUBECONFIG" }))

  if (Option.isSome(given.host)) {
    const token = path.join(serviceAccountDirectory, "token")
    const mounted = yield* Effect.mapError(fileSystem.exists(token), (error) => unreachable(token, error.reason._tag))
    const server = serverUrl(
      given.host.value,
      Option.getOrElse(given.port, () => "443")
    )
    if (mounted) return Option.some(InCluster({ server, directory: serviceAccountDirectory }))
  }

  if (Option.isSome(given.home)) {
    const file = path.join(given.home.value, ".kube", "config")
    // A home that this user may not even look into holds no kubeconfig of theirs.
    const exists = yield* Effect.orElseSucceed(fileSystem.exists(file), () => false)
    if (exists) return Option.some(Kubeconfig({ files: [file], namedBy: "the default place" }))
  }
  return Option.none<ClusterConfig>()
})

const serverUrl = (host: string, port: string) => `https://${host.includes(":") ? `[${host}]` : host}:${port}`

const unreachable = (file: string, problem: string) =>
  new KubernetesConfigError({
    reason: new InClusterInvalid({
      problem: `${file} cannot be looked at (${problem})`,
      remedy: "Let the connector's user read the mounted ServiceAccount (fsGroup), or mount none."
    })
  })
