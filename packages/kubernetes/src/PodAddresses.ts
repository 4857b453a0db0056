/**
 * The addresses of pods, by the ServiceAccount that they run as: who somebody is that connects from one. A service of its
 * own, since nothing else has to do with pods; it needs the right to list them in the namespaces it is asked for.
 */
import { type KubernetesError } from "@flyte-databricks/databricks-auth/Kubernetes"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import { locate } from "./ClusterConfig.ts"
import { RequestTimeout } from "./KubernetesClient.ts"
import { InClusterInvalid, KubernetesConfigError } from "./KubernetesConfigError.ts"

/**
 * Finds pods' addresses.
 */
export class PodAddresses extends Context.Service<
  PodAddresses,
  {
    /**
     * The addresses of the namespace's running pods that run as this ServiceAccount. Pods on their node's own network
     * are left out: whatever else runs on that node has the same address.
     */
    readonly of: (namespace: string, serviceAccount: string) => Effect.Effect<ReadonlyArray<string>, KubernetesError>
  }
>()("@flyte-databricks/kubernetes/PodAddresses") {}

/**
 * The service on the cluster that the environment names; that it names none is an error here.
 */
export const layerConfig: Layer.Layer<
  PodAddresses,
  KubernetesConfigError | Config.ConfigError,
  FileSystem.FileSystem | Path.Path
> = Layer.effect(
  PodAddresses,
  Effect.gen(function* () {
    const cluster = yield* locate
    if (Option.isNone(cluster)) {
      const problem = "pods are to be looked up, and no Kubernetes is configured"
      const remedy = "Set KUBECONFIG, or mount the ServiceAccount's token (automountServiceAccountToken)."
      return yield* new KubernetesConfigError({ reason: new InClusterInvalid({ problem, remedy }) })
    }
    const timeout = yield* RequestTimeout
    const client = yield* Effect.promise(() => import("./internal/podsClient.ts"))
    return yield* client.make(cluster.value, timeout)
  })
)

/**
 * Nobody asks.
 */
export const layerNone: Layer.Layer<PodAddresses> = Layer.succeed(
  PodAddresses,
  PodAddresses.of({ of: () => Effect.succeed([]) })
)

/**
 * Pods in memory: their addresses by `namespace/serviceAccount`, which may change.
 */
export const layerMemory = (
  addresses: (namespace: string, serviceAccount: string) => Effect.Effect<ReadonlyArray<string>, KubernetesError>
): Layer.Layer<PodAddresses> => Layer.succeed(PodAddresses, PodAddresses.of({ of: addresses }))
