/**
 * Where OIDC Model 2 gets its JWT, and nothing else: the annotated ServiceAccount of a workflow's namespace, and tokens
 * that Kubernetes mints for it.
 */
import * as Arr from "effect/Array"
import * as Cache from "effect/Cache"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import { AuthError, CredentialsMissing } from "../AuthError.ts"
import { broken } from "../internal/broken.ts"
import { invalid, nonBlank } from "../internal/settings.ts"
import * as Jwt from "../Jwt.ts"
import * as Kubernetes from "../Kubernetes.ts"
import { ended, maxIdToken } from "./internal/idToken.ts"
import { failed, kept, type TimeToLive } from "./internal/lookUps.ts"

// The names that API servers have inside of clusters, and accept as audiences by default.
const isApiServer = (audience: string): boolean =>
  /^(https:\/\/)?kubernetes(\.default(\.svc(\.[a-z0-9.-]+)?)?)?\/?$/.test(audience)

/** The label by which a namespace offers a ServiceAccount. */
export const enabledLabel = "flyte.org/databricks-enabled"
/** The annotation that says which service principal it is. */
export const clientIdAnnotation = "flyte.org/databricks-client-id"
/** The annotation that says for whom its tokens are to be made, where that is not the default. */
export const audienceAnnotation = "flyte.org/databricks-audience"

/**
 * A ServiceAccount that a namespace offers.
 */
export interface Offer {
  /** Its name in the namespace. */
  readonly serviceAccount: string
  /** The service principal that it is. */
  readonly clientId: string
  /** For whom its tokens are to be made, where it says so. */
  readonly audience: Option.Option<string>
}

/**
 * What a namespace offers, and what was seen there that is no offer.
 */
export interface Discovery {
  /** By name. */
  readonly offers: ReadonlyArray<Offer>
  /** Labelled ServiceAccounts without a client id. */
  readonly skipped: ReadonlyArray<string>
}

/**
 * How long a discovery counts as current. A namespace that offers none, or too many, is looked at again sooner, since
 * somebody may be annotating a ServiceAccount right now; a failure is never kept.
 */
export const DiscoveryTimeToLive = Context.Reference<TimeToLive>(
  "@flyte-databricks/databricks-auth/DiscoveryTimeToLive",
  {
    defaultValue: () => ({ present: "1 minute", absent: "10 seconds" })
  }
)

/** How many discoveries are kept. Each is as large as its namespace makes it: fifty ServiceAccounts, and two annotations. */
export const discoveriesKept = 100
/**
 * How many ServiceAccounts of a namespace are kept, of those that are offers and of those that are none.
 */
export const serviceAccountsKept = 50

/** How long an annotation may be. */
export const maxAnnotation = 256

/**
 * How long a minted JWT is to last. The Databricks token lasts as long as what is left of it.
 */
export const mintedLifetime = Duration.hours(1)

/**
 * The narrow source of mode OIDC Model 2.
 */
export class ServiceAccountTokens extends Context.Service<
  ServiceAccountTokens,
  {
    /** What a namespace offers. Fails with `AccessForbidden` and `KubernetesUnavailable`. */
    readonly discover: (namespace: string) => Effect.Effect<Discovery, AuthError>
    /**
     * Whether there is such a namespace. Kubernetes answers for one that does not exist as for an empty one, but gives each
     * that exists a ServiceAccount. Without Kubernetes it is not known, and so is not denied.
     */
    readonly exists: (namespace: string) => Effect.Effect<boolean, AuthError>
    /** Why a namespace without an offer has none. */
    readonly absence: (discovery: Discovery) => string
    /**
     * A JWT of a ServiceAccount for an audience. Fails with `CredentialsMissing` where there is no such
     * ServiceAccount.
     */
    readonly mint: (namespace: string, serviceAccount: string, audience: string) => Effect.Effect<Jwt.Jwt, AuthError>
    /** Forgets what was discovered, so that the next look asks Kubernetes. */
    readonly forget: (namespace: string) => Effect.Effect<void>
  }
>()("@flyte-databricks/databricks-auth/sources/ServiceAccountTokens") {}

/**
 * Names a ServiceAccount the way errors and explanations do.
 */
export const describeServiceAccount = (namespace: string, name: string): string =>
  `ServiceAccount ${name} in namespace ${namespace}`

/**
 * Names the labelled ServiceAccounts that do not count.
 */
export const describeSkipped = (skipped: ReadonlyArray<string>): string => `seen and skipped: ${skipped.join(", ")}`

/**
 * Names the look-up the way errors and explanations do.
 */
export const describeDiscovery = (namespace: string): string =>
  `ServiceAccounts labelled ${enabledLabel}=true in namespace ${namespace}`

/**
 * The ServiceAccounts of the cluster, each namespace's kept for `DiscoveryTimeToLive`.
 */
export const layer: Layer.Layer<ServiceAccountTokens, never, Kubernetes.Kubernetes> = Layer.effect(
  ServiceAccountTokens,
  Effect.gen(function* () {
    const kubernetes = yield* Kubernetes.Kubernetes
    const timeToLive = yield* DiscoveryTimeToLive
    const list = (namespace: string, labelSelector: string) =>
      Effect.mapError(
        kubernetes.listServiceAccounts(namespace, labelSelector),
        failed({ source: describeDiscovery(namespace), namespace, resource: "serviceaccounts", verb: "list" })
      )
    const existence = yield* kept(
      (namespace: string) => Effect.map(list(namespace, ""), (found) => found.length > 0),
      (exists) => exists,
      timeToLive
    )
    const cache = yield* kept(
      (namespace: string) => Effect.map(list(namespace, `${enabledLabel}=true`), toDiscovery),
      ({ offers }) => offers.length === 1,
      timeToLive,
      discoveriesKept
    )

    // Whoever holds a token that the API server takes is that ServiceAccount in the cluster.
    const refuseApiServer = Effect.fnUntraced(function* (
      source: string,
      audience: string,
      accepted: ReadonlyArray<string>
    ) {
      if (!isApiServer(audience) && !accepted.includes(audience)) return
      yield* invalid(`The audience for ${source}`, audience, "one that the cluster's own API server does not accept")
    })

    const mint = Effect.fnUntraced(function* (namespace: string, serviceAccount: string, audience: string) {
      const source = describeServiceAccount(namespace, serviceAccount)
      yield* refuseApiServer(source, audience, yield* kubernetes.apiAudiences)
      const minted = yield* kubernetes
        .createServiceAccountToken(namespace, serviceAccount, { audience, lifetime: mintedLifetime })
        .pipe(
          Effect.mapError(
            failed({
              source: `A token of ${source}`,
              namespace,
              resource: "serviceaccounts/token",
              resourceName: serviceAccount,
              verb: "create"
            })
          )
        )
      if (Option.isNone(minted)) return yield* gone(source)
      const text = Redacted.value(minted.value)
      const jwt = text.length > maxIdToken ? Option.none() : Jwt.parse(text.trim())
      if (Option.isNone(jwt)) return yield* unusable(source, "gave a token that is empty or not a JWT (TokenRequest)")
      const endedAt = yield* ended(jwt.value)
      if (Option.isSome(endedAt))
        return yield* unusable(source, `gave a token that expired at ${endedAt.value} (TokenRequest)`)
      // An API server that leaves the audience out would hand out tokens that are good for itself.
      if (!jwt.value.claims.audiences.includes(audience)) {
        const given = jwt.value.claims.audiences.join(", ") || "none"
        return yield* unusable(source, `gave a token for audience ${given} when asked for ${audience} (TokenRequest)`)
      }
      // An API server that was given no audiences accepts its issuer's name.
      yield* refuseApiServer(source, audience, Option.toArray(Option.fromUndefinedOr(jwt.value.claims.iss)))
      return jwt.value
    })

    return ServiceAccountTokens.of({
      discover: (namespace) => Cache.get(cache, namespace),
      exists: (namespace) =>
        Option.isNone(kubernetes.cluster) ? Effect.succeed(true) : Cache.get(existence, namespace),
      absence: ({ skipped }) =>
        Option.isNone(kubernetes.cluster)
          ? "no Kubernetes is configured"
          : skipped.length === 0
            ? "none found"
            : `none has annotation ${clientIdAnnotation}; ${describeSkipped(skipped)}`,
      mint,
      forget: (namespace) => Cache.invalidate(cache, namespace)
    })
  })
)

const toDiscovery = (serviceAccounts: ReadonlyArray<Kubernetes.ServiceAccount>): Discovery => {
  // One character more than may be is enough to see that there are too many.
  const value = (annotations: Readonly<Record<string, string>>, key: string) =>
    (annotations[key] ?? "").trim().slice(0, maxAnnotation + 1)
  const labelled = Arr.sortWith(serviceAccounts, ({ name }) => name, Order.String).map(({ name, annotations }) => ({
    serviceAccount: name,
    clientId: value(annotations, clientIdAnnotation),
    audience: nonBlank(value(annotations, audienceAnnotation))
  }))
  const offers = labelled.filter(({ clientId }) => clientId !== "")
  const skipped = labelled.filter(({ clientId }) => clientId === "")
  return {
    offers: offers.slice(0, serviceAccountsKept),
    skipped: skipped.slice(0, serviceAccountsKept).map(({ serviceAccount }) => serviceAccount)
  }
}

const gone = (source: string): AuthError =>
  new AuthError({
    reason: new CredentialsMissing({
      wanted: source,
      looked: [{ source, outcome: "absent", detail: "not found (TokenRequest)" }],
      remedy: "The identity is pinned to it: create it again."
    })
  })

const unusable = (source: string, problem: string): AuthError =>
  broken(source, problem, "Check the API server's service account issuer and what webhooks do to TokenRequests.")

/**
 * ServiceAccounts in memory that each namespace offers; their JWTs are unsigned.
 */
export const layerMemory = (
  namespaces: Readonly<Record<string, ReadonlyArray<Offer>>>
): Layer.Layer<ServiceAccountTokens> => {
  const accounts = Record.toEntries(namespaces).flatMap(([namespace, offers]) =>
    offers.map((offer) => [`${namespace}/${offer.serviceAccount}`, offered(offer)] as const)
  )
  return Layer.provide(layer, Kubernetes.layerMemory({}, Object.fromEntries(accounts)))
}

const offered = ({ clientId, audience }: Offer): Kubernetes.MemoryServiceAccount => ({
  labels: { [enabledLabel]: "true" },
  annotations: {
    [clientIdAnnotation]: clientId,
    ...(Option.isNone(audience) ? {} : { [audienceAnnotation]: audience.value })
  }
})
