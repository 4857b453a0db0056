/**
 * Secrets of workflow namespaces, kept for a short time: a submit looks at a Secret twice (who, then how), and many
 * submits of one namespace come together.
 */
import * as Cache from "effect/Cache"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import type { AuthError } from "../AuthError.ts"
import { Kubernetes, layerMemory as layerCluster, type SecretData } from "../Kubernetes.ts"
import { failed, kept, type TimeToLive } from "./internal/lookUps.ts"

/**
 * How long a Secret that was read counts as current. One that is missing is looked for again sooner, since somebody
 * may be creating it right now; a failure is never kept.
 */
export const SecretTimeToLive = Context.Reference<TimeToLive>("@flyte-databricks/databricks-auth/SecretTimeToLive", {
  defaultValue: () => ({ present: "30 seconds", absent: "5 seconds" })
})

/**
 * Reads a namespace's Secret, telling absent from forbidden from unavailable.
 */
export class NamespaceSecrets extends Context.Service<
  NamespaceSecrets,
  {
    /**
     * What a Secret has under the keys of credentials; none where there is no such Secret. Fails with
     * `AccessForbidden` and `KubernetesUnavailable`.
     */
    readonly read: (namespace: string, name: string) => Effect.Effect<Option.Option<SecretData>, AuthError>
    /** Why a Secret that is not there is not there. */
    readonly absence: string
    /** Forgets what was read, so that the next read asks Kubernetes. */
    readonly forget: (namespace: string, name: string) => Effect.Effect<void>
  }
>()("@flyte-databricks/databricks-auth/sources/NamespaceSecrets") {}

/** How many Secrets are kept. Each is as large as its namespace makes it: three values of 16 KB. */
export const secretsKept = 100

// What else is in a Secret is nobody's business here.
const credentialsOf = (data: SecretData): SecretData =>
  Record.filter(data, (_, key) => key === "token" || key === "client_id" || key === "client_secret")

// A text is found sooner than an object is compared, and no namespace has a slash in it.
const pathOf = (namespace: string, name: string): string => `${namespace}/${name}`
const namesOf = (path: string): readonly [namespace: string, name: string] => {
  const slash = path.indexOf("/")
  return [path.slice(0, slash), path.slice(slash + 1)]
}

/**
 * Names a Secret the way errors and explanations do.
 */
export const describeSecret = (namespace: string, name: string): string => `Secret ${name} in namespace ${namespace}`

/**
 * The Secrets of the cluster, each kept for `SecretTimeToLive`.
 */
export const layer: Layer.Layer<NamespaceSecrets, never, Kubernetes> = Layer.effect(
  NamespaceSecrets,
  Effect.gen(function* () {
    const kubernetes = yield* Kubernetes
    const cache = yield* kept(
      (path: string) => {
        const [namespace, name] = namesOf(path)
        return Effect.mapError(
          Effect.map(kubernetes.readSecret(namespace, name), Option.map(credentialsOf)),
          failed({
            source: describeSecret(namespace, name),
            namespace,
            resource: "secrets",
            resourceName: name,
            verb: "get"
          })
        )
      },
      Option.isSome,
      yield* SecretTimeToLive,
      secretsKept
    )
    return NamespaceSecrets.of({
      read: (namespace, name) => Cache.get(cache, pathOf(namespace, name)),
      absence: Option.isSome(kubernetes.cluster) ? "not found" : "no Kubernetes is configured",
      forget: (namespace, name) => Cache.invalidate(cache, pathOf(namespace, name))
    })
  })
)

/**
 * Secrets in memory, by `namespace/name`. Each such layer has its own, however many are built together.
 */
export const layerMemory = (
  secrets: Readonly<Record<string, Readonly<Record<string, string>>>>
): Layer.Layer<NamespaceSecrets> => Layer.fresh(Layer.provide(layer, layerCluster(secrets)))
