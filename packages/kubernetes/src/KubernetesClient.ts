/**
 * The core's `Kubernetes` service on a real API server.
 *
 * The Kubernetes client library costs about 25 MB of memory and 0.2 s of CPU in the connector's bundle, and more than
 * twice that outside of it. So it is loaded only for a kubeconfig: in a pod the requests are made without it.
 */
import * as Kubernetes from "@flyte-databricks/databricks-auth/Kubernetes"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import { type ClusterConfig, locate, serviceAccountDirectory } from "./ClusterConfig.ts"
import type { KubernetesConfigError } from "./KubernetesConfigError.ts"

/**
 * How long one call may take, from reading the credentials to the last byte of the answer. Who has less time interrupts
 * the call. This is for who has no limit of its own: a token that is renewed ahead.
 */
export const RequestTimeout = Context.Reference<Duration.Duration>("@flyte-databricks/kubernetes/RequestTimeout", {
  defaultValue: () => Duration.seconds(30)
})

/**
 * The service on the given cluster.
 */
export const layer = (
  config: ClusterConfig
): Layer.Layer<Kubernetes.Kubernetes, KubernetesConfigError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    Kubernetes.Kubernetes,
    Effect.gen(function* () {
      const timeout = yield* RequestTimeout
      const service = yield* Effect.promise(() => import("./internal/service.ts"))
      const { cluster, api } = yield* Effect.flatMap(
        Effect.promise(() => import("./internal/cluster.ts")),
        ({ load }) => load(config)
      )
      return yield* service.make(cluster, api, timeout)
    })
  )

/**
 * The service on the cluster that the environment names (see `ClusterConfig.locate`). Without one, `layerNone`, and
 * the log says so.
 */
export const layerConfig: Layer.Layer<
  Kubernetes.Kubernetes,
  KubernetesConfigError | Config.ConfigError,
  FileSystem.FileSystem | Path.Path
> = Layer.unwrap(
  Effect.gen(function* () {
    const cluster = yield* locate
    if (Option.isSome(cluster)) return layer(cluster.value)
    yield* Effect.logInfo(
      "No Kubernetes is configured, so no namespace's Secrets and ServiceAccounts are looked at: KUBECONFIG is unset, " +
        `this is no pod with a ServiceAccount token (KUBERNETES_SERVICE_HOST and ${serviceAccountDirectory}/token), ` +
        "and there is no ~/.kube/config."
    )
    return Kubernetes.layerNone
  })
)
