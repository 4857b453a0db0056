/**
 * What PATs and client credentials share: each may be in a Secret of the workflow's namespace, or be the connector's.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AuthError, CredentialsMissing } from "../../AuthError.ts"
import {
  ConnectorLevel,
  describeOrigin,
  type Identity,
  NamespaceSecret,
  type Origin,
  secretOf
} from "../../Identity.ts"
import type { IdentityRecord } from "../../IdentityRecord.ts"
import type { AuthRequest } from "../../request/AuthRequest.ts"
import * as Connection from "../../request/Connection.ts"
import { describeSecret } from "../../sources/NamespaceSecrets.ts"
import type { Found, Look, Place } from "../AuthMode.ts"

/** Such a credential, and where it is read from. */
interface Options<I extends Identity, A> {
  readonly what: string
  readonly source: {
    readonly namespaceSecret: (namespace: string, name: string) => Effect.Effect<Option.Option<A>, AuthError>
    readonly absence: string
    readonly forget: (namespace: string, name: string) => Effect.Effect<void>
    readonly forgetConnector: Effect.Effect<void>
  }
  /** The connector's, for a task that may name a client id. */
  readonly connector: (clientId: Option.Option<string>) => Effect.Effect<Option.Option<A>, AuthError>
  /** The variables by which the connector has its own. */
  readonly variables: string
  /** The setting by which a task names the Secret. */
  readonly namedBy: "tokenSecretName" | "oauthSecretName"
  readonly keys: ReadonlyArray<string>
  /** What a credential that was found is made into. */
  readonly found: (request: AuthRequest, origin: Origin, credential: A) => Omit<Found<I>, "_tag">
}

/**
 * The two as places, and what is done with an origin that is pinned.
 */
export const make = <I extends Identity, A>(options: Options<I, A>) => {
  const { source, connector, namedBy, variables } = options
  const ofConnector = `${variables} of the connector`

  const answer = (
    read: Effect.Effect<Option.Option<A>, AuthError>,
    absence: string,
    request: AuthRequest,
    origin: Origin
  ): Look<I> =>
    Effect.map(
      read,
      Option.match({
        onNone: () => ({ _tag: "Absent", detail: absence }),
        onSome: (credential) => ({ _tag: "Found", ...options.found(request, origin, credential) })
      })
    )

  /** The source that an origin names, as errors do. */
  const describe = (origin: Origin): string => {
    switch (origin._tag) {
      case "NamespaceSecret":
        return describeSecret(origin.namespace, origin.name)
      case "ConnectorLevel":
      case "Unrecorded":
        return ofConnector
      case "RequestSecret":
        return Connection.source
      case "StoredToken":
        return describeOrigin(origin)
    }
  }

  /** The namespace's first. */
  const places: readonly [Place<I>, Place<I>] = [
    {
      tenancy: "namespace",
      namedBy,
      describe: (request, namespace) => describeSecret(namespace, request[namedBy]),
      remedy: (request, namespace) =>
        `kubectl create secret generic ${request[namedBy]} --namespace ${namespace} ` +
        options.keys.map((key) => `--from-literal=${key}=…`).join(" "),
      look: (request, namespace) => {
        const name = request[namedBy]
        const origin = NamespaceSecret.make({ namespace, name })
        return answer(source.namespaceSecret(namespace, name), source.absence, request, origin)
      }
    },
    {
      tenancy: "connector",
      describe: ofConnector,
      remedy: `set ${variables} on the connector`,
      look: (request) => answer(connector(request.clientId), "not set", request, ConnectorLevel.make({}))
    }
  ]

  return {
    places,
    describe,
    /** Reads from the origin alone, and only where nothing was recorded from the one place and then the other. */
    read: Effect.fnUntraced(function* (origin: Origin): Effect.fn.Return<A, AuthError> {
      const secret = Option.getOrUndefined(secretOf(origin))
      const own = secret ? yield* source.namespaceSecret(secret.namespace, secret.name) : Option.none()
      if (Option.isSome(own)) return own.value
      const isConnectors = origin._tag === "ConnectorLevel" || origin._tag === "Unrecorded"
      const shared = isConnectors ? yield* connector(Option.none()) : Option.none()
      if (Option.isSome(shared)) return shared.value
      return yield* new AuthError({
        reason: new CredentialsMissing({
          wanted: `${options.what} from ${describeOrigin(origin)}`,
          looked: [{ source: describe(origin), outcome: "absent" }],
          remedy: "The identity is pinned to this source: put the credential back."
        })
      })
    }),
    /** Forgets what was read from it. */
    forget: (origin: Origin): Effect.Effect<void> =>
      Option.match(secretOf(origin), {
        onNone: () => source.forgetConnector,
        onSome: ({ namespace, name }) => Effect.andThen(source.forget(namespace, name), source.forgetConnector)
      })
  }
}

/**
 * An origin in job metadata, beside the namespace: the Secret's name for one of a namespace, no name for the connector's.
 */
export const record = (origin: Origin): Partial<IdentityRecord> =>
  "name" in origin ? { oauthSecretName: Option.some(origin.name) } : {}
