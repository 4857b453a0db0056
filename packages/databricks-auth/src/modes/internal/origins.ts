/**
 * The two places that PATs and client credentials share: a Secret of the workflow's namespace, and the connector.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AuthError, CredentialsMissing } from "../../AuthError.ts"
import type { Found, Place } from "../AuthMode.ts"
import type { AuthRequest } from "../../request/AuthRequest.ts"
import * as Connection from "../../request/Connection.ts"
import type * as TaskSettings from "../../request/TaskSettings.ts"
import { ConnectorLevel, describeOrigin, type Identity, NamespaceSecret, type Origin } from "../../Identity.ts"
import type { IdentityRecord } from "../../IdentityRecord.ts"
import { describeSecret } from "../../sources/NamespaceSecrets.ts"

/** What a credential that was found is made into. */
type Identify<I extends Identity, A> = (request: AuthRequest, origin: Origin, found: A) => Omit<Found<I>, "_tag">

/**
 * A Secret of the workflow's namespace as a place.
 */
export const namespaceSecret = <I extends Identity, A>(options: {
  readonly namedBy: TaskSettings.Name
  readonly name: (request: AuthRequest) => string
  readonly keys: ReadonlyArray<string>
  readonly absence: string
  readonly read: (namespace: string, name: string) => Effect.Effect<Option.Option<A>, AuthError>
  readonly found: Identify<I, A>
}): Place<I> => ({
  tenancy: "namespace",
  namedBy: options.namedBy,
  describe: (request, namespace) => describeSecret(namespace, options.name(request)),
  remedy: (request, namespace) =>
    `kubectl create secret generic ${options.name(request)} --namespace ${namespace} ` +
    options.keys.map((key) => `--from-literal=${key}=…`).join(" "),
  look: (request, namespace) => {
    const name = options.name(request)
    return Effect.map(
      options.read(namespace, name),
      Option.match({
        onNone: () => ({ _tag: "Absent", detail: options.absence }),
        onSome: (credential) => ({
          _tag: "Found",
          ...options.found(request, NamespaceSecret.make({ namespace, name }), credential)
        })
      })
    )
  }
})

/**
 * What is configured on the connector as a place.
 */
export const connectorLevel = <I extends Identity, A>(options: {
  readonly name: string
  readonly read: (request: AuthRequest) => Effect.Effect<Option.Option<A>, AuthError>
  readonly found: Identify<I, A>
}): Place<I> => ({
  tenancy: "connector",
  describe: `${options.name} of the connector`,
  remedy: `set ${options.name} on the connector`,
  look: (request) =>
    Effect.map(
      options.read(request),
      Option.match({
        onNone: () => ({ _tag: "Absent", detail: "not set" }),
        onSome: (credential) => ({ _tag: "Found", ...options.found(request, ConnectorLevel.make({}), credential) })
      })
    )
})

/**
 * Does something with the namespace Secret that an origin names, where it names one.
 */
export const ofNamespace = <A, E>(
  origin: Origin,
  use: (namespace: string, name: string) => Effect.Effect<Option.Option<A>, E>
): Effect.Effect<Option.Option<A>, E> => {
  switch (origin._tag) {
    case "NamespaceSecret":
      return use(origin.namespace, origin.name)
    case "Unrecorded":
      return Option.isSome(origin.namespace) ? use(origin.namespace.value, origin.name) : Effect.succeedNone
    case "ConnectorLevel":
    case "RequestSecret":
    case "StoredToken":
      return Effect.succeedNone
  }
}

/**
 * Reads the credential of a pinned origin: from there alone, and only where nothing was recorded from the one place and
 * then the other.
 */
export const readPinned = <A, E>(
  origin: Origin,
  namespaceSecret: (namespace: string, name: string) => Effect.Effect<Option.Option<A>, E>,
  connector: Effect.Effect<Option.Option<A>, E>
): Effect.Effect<Option.Option<A>, E> =>
  Effect.flatMap(ofNamespace(origin, namespaceSecret), (own) =>
    Option.isNone(own) && (origin._tag === "ConnectorLevel" || origin._tag === "Unrecorded")
      ? connector
      : Effect.succeed(own)
  )

/**
 * The error of a pinned identity whose credential is no longer where it was.
 */
export const pinnedMissing = (what: string, origin: Origin, connectorSource: string): AuthError => {
  const source = sourceOf(origin, connectorSource)
  return new AuthError({
    reason: new CredentialsMissing({
      wanted: `${what} from ${describeOrigin(origin)}`,
      looked: [{ source, outcome: "absent" }],
      remedy: "The identity is pinned to this source: put the credential back."
    })
  })
}

/**
 * The source that an origin names, as errors do.
 */
export const sourceOf = (origin: Origin, connectorSource: string): string => {
  switch (origin._tag) {
    case "NamespaceSecret":
      return describeSecret(origin.namespace, origin.name)
    case "ConnectorLevel":
    case "Unrecorded":
      return `${connectorSource} of the connector`
    case "RequestSecret":
      return Connection.source
    case "StoredToken":
      return describeOrigin(origin)
  }
}

/**
 * An origin in job metadata, beside the namespace: the Secret's name for one of a namespace, no name for the connector's.
 */
export const recordOrigin = (origin: Origin): Partial<IdentityRecord> =>
  "name" in origin ? { oauthSecretName: Option.some(origin.name) } : {}
