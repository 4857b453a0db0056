/**
 * What the core asks of Kubernetes. An adapter implements it; `layerNone` stands for a connector that runs outside of
 * a cluster, `layerMemory` for a cluster in tests.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"

/** The API server knows the caller and says no (403). */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** No answer, or one that says nothing about the object (401, 429, 5xx, a network fault, a timeout). */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/**
 * A call to Kubernetes failed. An object that does not exist is not a failure: it is `None`.
 */
export class KubernetesError extends Schema.TaggedError<KubernetesError>()("KubernetesError", {
  reason: Schema.Union([Forbidden, Unavailable])
}) {
  override get message() {
    return this.reason.message
  }
}

/**
 * A Secret's data, decoded. A value that is not UTF-8 text is the empty string.
 */
export type SecretData = Readonly<Record<string, Redacted.Redacted<string>>>

/**
 * The Kubernetes API, as far as the core needs it.
 */
export class Kubernetes extends Context.Service<
  Kubernetes,
  {
    /** The cluster as a start-up summary names it; `None` where no Kubernetes is configured. */
    readonly cluster: Option.Option<string>
    readonly readSecret: (
      namespace: string,
      name: string
    ) => Effect.Effect<Option.Option<SecretData>, KubernetesError>
  }
>()("@flyte-databricks/databricks-auth/Kubernetes") {}

/**
 * No Kubernetes is configured: every object is absent.
 */
export const layerNone: Layer.Layer<Kubernetes> = Layer.succeed(
  Kubernetes,
  Kubernetes.of({ cluster: Option.none(), readSecret: () => Effect.succeedNone })
)

/**
 * Steers the cluster that `layerMemory` provides, and counts what was asked of it.
 */
export class KubernetesMemory extends Context.Service<
  KubernetesMemory,
  {
    readonly setSecret: (namespace: string, name: string, data: Record<string, string>) => Effect.Effect<void>
    readonly deleteSecret: (namespace: string, name: string) => Effect.Effect<void>
    /** Makes every read of this Secret fail until it is set or deleted again. */
    readonly failSecret: (
      namespace: string,
      name: string,
      reason: KubernetesError["reason"]
    ) => Effect.Effect<void>
    /** The Secrets read so far, as `namespace/name`, in order. */
    readonly reads: Effect.Effect<ReadonlyArray<string>>
  }
>()("@flyte-databricks/databricks-auth/KubernetesMemory") {}

/**
 * A cluster in memory that starts with the given Secrets, by `namespace/name`.
 */
export const layerMemory = (
  secrets: Record<string, Record<string, string>> = {}
): Layer.Layer<Kubernetes | KubernetesMemory> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const objects = yield* Ref.make<ReadonlyMap<string, SecretData | KubernetesError>>(
        new Map(Object.entries(secrets).map(([path, data]) => [path, redact(data)]))
      )
      const reads = yield* Ref.make<ReadonlyArray<string>>([])
      const put = (path: string, value: SecretData | KubernetesError) =>
        Ref.update(objects, (all) => new Map(all).set(path, value))

      const readSecret = Effect.fnUntraced(function* (namespace: string, name: string) {
        const path = `${namespace}/${name}`
        yield* Ref.update(reads, (all) => [...all, path])
        const found = (yield* Ref.get(objects)).get(path)
        if (found === undefined) return Option.none<SecretData>()
        return Schema.is(KubernetesError)(found) ? yield* found : Option.some(found)
      })

      return Context.make(Kubernetes, { cluster: Option.some("in memory"), readSecret }).pipe(
        Context.add(KubernetesMemory, {
          setSecret: (namespace, name, data) => put(`${namespace}/${name}`, redact(data)),
          deleteSecret: (namespace, name) =>
            Ref.update(objects, (all) => {
              const rest = new Map(all)
              rest.delete(`${namespace}/${name}`)
              return rest
            }),
          failSecret: (namespace, name, reason) => put(`${namespace}/${name}`, new KubernetesError({ reason })),
          reads: Ref.get(reads)
        })
      )
    })
  )

const redact = (data: Record<string, string>): SecretData =>
  Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Redacted.make(value, { label: key })]))
