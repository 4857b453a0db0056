/**
 * OAuth machine-to-machine: a service principal's client credentials (RFC 6749 §4.4), from a Secret of the workflow's
 * namespace, else the connector's.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { AuthError, IdentityChanged } from "../AuthError.ts"
import type { AuthMode } from "./AuthMode.ts"
import type { AuthRequest } from "../request/AuthRequest.ts"
import { ConnectorLevel, NamespaceSecret, OAuthM2MIdentity, type Origin, Unrecorded } from "../Identity.ts"
import {
  connectorLevel,
  missingNow,
  namespaceSecret,
  ofNamespace,
  readPinned,
  recordOrigin,
  sourceOf
} from "./internal/origins.ts"
import type { IdentityRecord } from "../IdentityRecord.ts"
import { type ClientCredentials, ClientCredentialsSource } from "../sources/ClientCredentialsSource.ts"
import { TokenEndpoint } from "../endpoint/TokenEndpoint.ts"
import type { WorkspaceHost } from "../WorkspaceHost.ts"

/**
 * Mode OAuth M2M.
 */
export class OAuthM2M extends Context.Service<OAuthM2M, AuthMode<OAuthM2MIdentity>>()(
  "@flyte-databricks/databricks-auth/modes/OAuthM2M"
) {}

const source = "FLYTE_DATABRICKS_CLIENT_ID and FLYTE_DATABRICKS_CLIENT_SECRET"

export const layer: Layer.Layer<OAuthM2M, never, ClientCredentialsSource | TokenEndpoint> = Layer.effect(
  OAuthM2M,
  Effect.gen(function* () {
    const credentials = yield* ClientCredentialsSource
    const tokenEndpoint = yield* TokenEndpoint

    // Flyte's connector records its own client id also where a namespace's Secret overrode it. So that id says nothing
    // about who the run is, unless this connector wrote it, which for its own pair names no Secret.
    const recall = Effect.fnUntraced(function* (recorded: IdentityRecord, instance: WorkspaceHost) {
      const { clientId, namespace, oauthSecretName: name } = recorded
      if (Option.isNone(name)) return new OAuthM2MIdentity({ instance, clientId, origin: ConnectorLevel.make({}) })
      const isOwn = Option.isSome(clientId) && Equal.equals(clientId, yield* credentials.connectorClientId)
      if (Option.isSome(namespace) && !isOwn) {
        const origin = NamespaceSecret.make({ namespace: namespace.value, name: name.value })
        return new OAuthM2MIdentity({ instance, clientId, origin })
      }
      const origin = Unrecorded.make({ namespace, name: name.value })
      return new OAuthM2MIdentity({ instance, clientId: Option.isSome(namespace) ? Option.none() : clientId, origin })
    })

    const forget = ({ origin }: OAuthM2MIdentity) =>
      Effect.andThen(
        ofNamespace(origin, (namespace, name) => Effect.asSome(credentials.forget(namespace, name))),
        credentials.forgetConnector
      )

    return OAuthM2M.of({
      record: ({ clientId, origin }) => ({ clientId, ...recordOrigin(origin) }),
      recall,
      sources: [
        namespaceSecret({
          name: (request) => request.oauthSecretName,
          keys: ["client_id", "client_secret"],
          absence: credentials.absence,
          read: credentials.namespaceSecret,
          found
        }),
        connectorLevel({ name: source, read: (request) => credentials.connector(request.clientId), found })
      ],
      acquire: Effect.fnUntraced(function* (identity, tries) {
        const pair = yield* readPinned(
          identity.origin,
          credentials.namespaceSecret,
          credentials.connector(Option.none())
        )
        if (Option.isNone(pair)) return yield* missingNow("client credentials", identity.origin, source)
        yield* demand(identity.clientId, pair.value, identity.origin)
        return yield* tokenEndpoint
          .clientCredentials(
            { instance: identity.instance, source: sourceOf(identity.origin, source), ...pair.value },
            tries
          )
          .pipe(
            // The secret was rotated, perhaps: the next request is made with the one that is there then.
            Effect.tapError(({ reason }) => (reason._tag === "TokenRefused" ? forget(identity) : Effect.void))
          )
      }),
      forget
    })
  })
)

const found = (request: AuthRequest, origin: Origin, pair: ClientCredentials) => ({
  identity: new OAuthM2MIdentity({ instance: request.instance, clientId: Option.some(pair.clientId), origin }),
  builtFrom: Option.some(pair.clientSecret)
})

// A run that was submitted as a principal goes on as that principal, or not at all.
const demand = Effect.fnUntraced(function* (
  clientId: Option.Option<string>,
  pair: ClientCredentials,
  origin: Origin
): Effect.fn.Return<void, AuthError> {
  if (Option.isSome(clientId) && clientId.value !== pair.clientId) {
    yield* new AuthError({
      reason: new IdentityChanged({ source: sourceOf(origin, source), expected: clientId.value, found: pair.clientId })
    })
  }
})
