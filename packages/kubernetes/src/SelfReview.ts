/**
 * What the connector may ask of an API server about itself: the server's version, who it is there, what it may do. Every
 * authenticated caller may ask that. The commands of diagnosis use it; serving does not.
 */
import type { KubernetesError } from "@flyte-databricks/databricks-auth/Kubernetes"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import { locate } from "./ClusterConfig.ts"
import { RequestTimeout } from "./KubernetesClient.ts"
import type { KubernetesConfigError } from "./KubernetesConfigError.ts"

/**
 * One verb on one resource of the core group; without a name on all of them, without a namespace in all of them.
 */
export interface Right {
  readonly verb: string
  /** With the subresource: `serviceaccounts/token`. */
  readonly resource: string
  readonly namespace?: string | undefined
  readonly name?: string | undefined
}

/**
 * The API server, as far as a caller asks about itself.
 */
export interface SelfReview {
  /** As in `v1.36.0`. */
  readonly version: Effect.Effect<string, KubernetesError>
  /** As in `system:serviceaccount:flyte:flyteconnector`. */
  readonly whoAmI: Effect.Effect<string, KubernetesError>
  readonly mayI: (right: Right) => Effect.Effect<boolean, KubernetesError>
  /** The `iss` of ServiceAccount tokens; none where the server does not say. */
  readonly issuer: Effect.Effect<Option.Option<string>, KubernetesError>
  /** All namespaces. It is a right of its own that serving does not need. */
  readonly listNamespaces: Effect.Effect<ReadonlyArray<string>, KubernetesError>
}

/**
 * The review of the cluster that the environment names; none without one.
 */
export class SelfReviews extends Context.Service<SelfReviews, Option.Option<SelfReview>>()(
  "@flyte-databricks/kubernetes/SelfReviews"
) {}

/**
 * The cluster of the environment, by the same rule as `KubernetesClient.layerConfig`.
 */
export const layerConfig: Layer.Layer<
  SelfReviews,
  KubernetesConfigError | Config.ConfigError,
  FileSystem.FileSystem | Path.Path
> = Layer.effect(
  SelfReviews,
  Effect.gen(function* () {
    const cluster = yield* locate
    if (Option.isNone(cluster)) return Option.none()
    const timeout = yield* RequestTimeout
    const review = yield* Effect.promise(() => import("./internal/selfReview.ts"))
    return Option.some(yield* review.make(cluster.value, timeout))
  })
)
