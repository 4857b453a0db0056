/**
 * What the core asks of Kubernetes. An adapter implements it; `layerNone` stands for a connector that runs outside of
 * a cluster, `layerMemory` for a cluster in tests.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Base64Url from "effect/encoding/Base64Url"

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
 * The keys of a Secret that a credential is under. What else a Secret holds is not read: it may be much, and is somebody's.
 */
export const credentialKeys = ["token", "client_id", "client_secret"] as const

/**
 * What a Secret has under these keys, decoded. A value that is not UTF-8 text is the empty string.
 */
export type SecretData = Readonly<Record<string, Redacted.Redacted<string>>>

/**
 * A ServiceAccount, as far as the core needs it.
 */
export interface ServiceAccount {
  /** Its name in its namespace. */
  readonly name: string
  /** By name. */
  readonly annotations: Readonly<Record<string, string>>
}

/**
 * For whom a token is to be made, and for how long.
 */
export interface TokenRequest {
  /** Who is to take the token (the claim `aud`). */
  readonly audience: string
  /** How long it is to last. A cluster may give a shorter one. */
  readonly lifetime: Duration.Duration
}

/**
 * The cluster that credentials of namespaces are in.
 */
export class Kubernetes extends Context.Service<
  Kubernetes,
  {
    /** The cluster as a start-up summary names it; `None` where no Kubernetes is configured. */
    readonly cluster: Option.Option<string>
    /** Audiences by which the API server takes a token for one of its own, as far as they are known. */
    readonly apiAudiences: Effect.Effect<ReadonlyArray<string>>
    /** A Secret; none where there is no such Secret. */
    readonly readSecret: (namespace: string, name: string) => Effect.Effect<Option.Option<SecretData>, KubernetesError>
    /**
     * All ServiceAccounts of a namespace that a label selector matches, a blank one all there are; none where there is no
     * such namespace.
     */
    readonly listServiceAccounts: (
      namespace: string,
      labelSelector: string
    ) => Effect.Effect<ReadonlyArray<ServiceAccount>, KubernetesError>
    /** A token of a ServiceAccount (TokenRequest); `None` where there is no such ServiceAccount. */
    readonly createServiceAccountToken: (
      namespace: string,
      name: string,
      request: TokenRequest
    ) => Effect.Effect<Option.Option<Redacted.Redacted<string>>, KubernetesError>
  }
>()("@flyte-databricks/databricks-auth/Kubernetes") {}

/**
 * No Kubernetes is configured: every object is absent.
 */
export const layerNone: Layer.Layer<Kubernetes> = Layer.succeed(
  Kubernetes,
  Kubernetes.of({
    cluster: Option.none(),
    apiAudiences: Effect.succeed([]),
    readSecret: () => Effect.succeedNone,
    listServiceAccounts: () => Effect.succeed([]),
    createServiceAccountToken: () => Effect.succeedNone
  })
)

/**
 * What can be in the cluster that `layerMemory` provides.
 */
export interface MemoryServiceAccount {
  /** By name; none by default. */
  readonly labels?: Readonly<Record<string, string>>
  /** By name; none by default. */
  readonly annotations?: Readonly<Record<string, string>>
}

/**
 * Steers the cluster that `layerMemory` provides, and counts what was asked of it.
 */
export class KubernetesMemory extends Context.Service<
  KubernetesMemory,
  {
    /** Puts a Secret there, or another in its place. Values are as they are, not in base64. */
    readonly setSecret: (namespace: string, name: string, data: Record<string, string>) => Effect.Effect<void>
    /** Takes a Secret away. */
    readonly deleteSecret: (namespace: string, name: string) => Effect.Effect<void>
    /** Makes every read of this Secret fail until it is set or deleted again. */
    readonly failSecret: (namespace: string, name: string, reason: KubernetesError["reason"]) => Effect.Effect<void>
    /** The Secrets read so far, as `namespace/name`, in order. */
    readonly reads: Effect.Effect<ReadonlyArray<string>>
    /** Puts a ServiceAccount there, or another in its place. */
    readonly setServiceAccount: (
      namespace: string,
      name: string,
      serviceAccount: MemoryServiceAccount
    ) => Effect.Effect<void>
    /** Takes a ServiceAccount away. */
    readonly deleteServiceAccount: (namespace: string, name: string) => Effect.Effect<void>
    /** Makes every listing of this namespace's ServiceAccounts fail, or none. */
    readonly failServiceAccounts: (
      namespace: string,
      reason: Option.Option<KubernetesError["reason"]>
    ) => Effect.Effect<void>
    /** Decides what a TokenRequest gets; by default a JWT with the claims that Kubernetes gives, unsigned. */
    readonly onTokenRequest: (
      respond: (
        namespace: string,
        name: string,
        request: TokenRequest
      ) => Effect.Effect<Option.Option<Redacted.Redacted<string>>, KubernetesError>
    ) => Effect.Effect<void>
  }
>()("@flyte-databricks/databricks-auth/KubernetesMemory") {}

/**
 * A cluster in memory that starts with the given Secrets and ServiceAccounts, by `namespace/name`.
 */
export const layerMemory = (
  secrets: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
  serviceAccounts: Readonly<Record<string, MemoryServiceAccount>> = {}
): Layer.Layer<Kubernetes | KubernetesMemory> =>
  Layer.effectContext(
    Effect.sync(() => {
      const objects = new Map<string, SecretData | KubernetesError>(
        Object.entries(secrets).map(([path, data]) => [path, redact(data)])
      )
      const accounts = new Map(Object.entries(serviceAccounts))
      const listFailures = new Map<string, KubernetesError>()
      const reads: Array<string> = []
      let respond: Parameters<KubernetesMemory["Service"]["onTokenRequest"]>[0] = unsignedJwt

      const listed = (namespace: string, labelSelector: string): ReadonlyArray<ServiceAccount> => {
        const isInside = (path: string) => path.startsWith(`${namespace}/`)
        if (labelSelector === "") {
          // A namespace that has something in it exists, and Kubernetes gives each that exists a ServiceAccount.
          const exists = [...accounts.keys(), ...objects.keys()].some(isInside)
          return exists ? [{ name: "default", annotations: {} }] : []
        }
        const [label, value] = labelSelector.split("=")
        return [...accounts]
          .filter(([path, { labels }]) => isInside(path) && labels?.[label!] === value)
          .map(([path, { annotations = {} }]) => ({ name: path.slice(namespace.length + 1), annotations }))
      }

      return Context.make(Kubernetes, {
        cluster: Option.some("in memory"),
        apiAudiences: Effect.succeed(["https://kubernetes.memory"]),
        readSecret: (namespace, name) =>
          Effect.suspend(() => {
            reads.push(`${namespace}/${name}`)
            const found = objects.get(`${namespace}/${name}`)
            return Schema.is(KubernetesError)(found)
              ? Effect.fail(found)
              : Effect.succeed(Option.fromUndefinedOr(found))
          }),
        listServiceAccounts: (namespace, labelSelector) =>
          Effect.suspend(() => listFailures.get(namespace) ?? Effect.succeed(listed(namespace, labelSelector))),
        createServiceAccountToken: (namespace, name, request) =>
          Effect.suspend(() =>
            accounts.has(`${namespace}/${name}`) ? respond(namespace, name, request) : Effect.succeedNone
          )
      }).pipe(
        Context.add(KubernetesMemory, {
          setSecret: (namespace, name, data) => doing(() => objects.set(`${namespace}/${name}`, redact(data))),
          deleteSecret: (namespace, name) => doing(() => objects.delete(`${namespace}/${name}`)),
          failSecret: (namespace, name, reason) =>
            doing(() => objects.set(`${namespace}/${name}`, new KubernetesError({ reason }))),
          reads: Effect.sync(() => [...reads]),
          setServiceAccount: (namespace, name, account) => doing(() => accounts.set(`${namespace}/${name}`, account)),
          deleteServiceAccount: (namespace, name) => doing(() => accounts.delete(`${namespace}/${name}`)),
          failServiceAccounts: (namespace, reason) =>
            doing(() =>
              Option.isSome(reason)
                ? listFailures.set(namespace, new KubernetesError({ reason: reason.value }))
                : listFailures.delete(namespace)
            ),
          onTokenRequest: (responder) => doing(() => (respond = responder))
        })
      )
    })
  )

const doing = (change: () => unknown): Effect.Effect<void> => Effect.asVoid(Effect.sync(change))

const redact = (data: Readonly<Record<string, string>>): SecretData =>
  Object.fromEntries(
    credentialKeys.flatMap((key) =>
      Object.hasOwn(data, key) ? [[key, Redacted.make(data[key]!, { label: key })] as const] : []
    )
  )

const unsignedJwt = Effect.fnUntraced(function* (
  namespace: string,
  name: string,
  { audience, lifetime }: TokenRequest
) {
  const now = yield* Clock.currentTimeMillis
  const claims = {
    iss: "https://kubernetes.memory",
    sub: `system:serviceaccount:${namespace}:${name}`,
    aud: [audience],
    exp: Math.floor(now / 1000 + Duration.toSeconds(lifetime))
  }
  const part = (value: unknown) => Base64Url.encode(JSON.stringify(value))
  return Option.some(Redacted.make(`${part({ alg: "RS256" })}.${part(claims)}.unsigned`, { label: "JWT" }))
})
