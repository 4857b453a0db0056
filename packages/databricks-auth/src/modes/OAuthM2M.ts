/**
 * OAuth machine-to-machine: a service principal's client credentials (RFC 6749 §4.4), from a Secret of the workflow's
 * namespace, else the connector's.
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { AuthError, IdentityChanged } from "../AuthError.ts"
import { TokenEndpoint } from "../endpoint/TokenEndpoint.ts"
import { ConnectorLevel, NamespaceSecret, OAuthM2MIdentity, type Origin, Unrecorded } from "../Identity.ts"
import { authTypeOf } from "../IdentityRecord.ts"
import type { AuthRequest } from "../request/AuthRequest.ts"
import { type ClientCredentials, ClientCredentialsSource } from "../sources/ClientCredentialsSource.ts"
import type { AuthMode, Wired } from "./AuthMode.ts"
import { has, said } from "./internal/facts.ts"
import {
  connectorLevel,
  namespaceSecret,
  ofNamespace,
  pinnedMissing,
  readPinned,
  recordOrigin,
  sourceOf
} from "./internal/origins.ts"

const source = "FLYTE_DATABRICKS_CLIENT_ID and FLYTE_DATABRICKS_CLIENT_SECRET"

const wire = Effect.gen(function* () {
  const credentials = yield* ClientCredentialsSource
  const tokenEndpoint = yield* TokenEndpoint

  const forget = ({ origin }: OAuthM2MIdentity) =>
    Effect.andThen(
      ofNamespace(origin, (namespace, name) => Effect.asSome(credentials.forget(namespace, name))),
      credentials.forgetConnector
    )

  return {
    places: [
      namespaceSecret({
        namedBy: "oauthSecretName",
        name: (request) => request.oauthSecretName,
        keys: ["client_id", "client_secret"],
        absence: credentials.absence,
        read: credentials.namespaceSecret,
        found
      }),
      connectorLevel({ name: source, read: (request) => credentials.connector(request.clientId), found })
    ],
    acquire: Effect.fnUntraced(function* ({ identity }, _refused, tries) {
      const { instance, clientId, origin } = identity
      const pair = yield* readPinned(origin, credentials.namespaceSecret, credentials.connector(Option.none()))
      if (Option.isNone(pair)) return yield* pinnedMissing("client credentials", origin, source)
      yield* requireClientId(clientId, pair.value, origin)
      return yield* tokenEndpoint
        .clientCredentials({ instance, source: sourceOf(origin, source), ...pair.value }, tries)
        .pipe(
          // The secret was rotated, perhaps: the next request is made with the one that is there then.
          Effect.tapError(({ reason }) => (reason._tag === "TokenRefused" ? forget(identity) : Effect.void))
        )
    }),
    forget,
    record: ({ identity: { clientId, origin } }) => ({ clientId, ...recordOrigin(origin) }),
    // Flyte's connector records its own client id also where a namespace's Secret overrode it. So that id says nothing
    // about who the run is, unless this connector wrote it, which for its own pair names no Secret.
    recall: Effect.fnUntraced(function* (record, instance) {
      const { clientId, namespace, oauthSecretName: name } = record
      const as = (id: Option.Option<string>, origin: Origin) => ({
        identity: new OAuthM2MIdentity({ instance, clientId: id, origin })
      })
      if (Option.isNone(name)) return as(clientId, ConnectorLevel.make({}))
      const isOwn = Option.isSome(clientId) && Equal.equals(clientId, yield* credentials.connectorClientId)
      if (Option.isSome(namespace) && !isOwn) {
        return as(clientId, NamespaceSecret.make({ namespace: namespace.value, name: name.value }))
      }
      const origin = Unrecorded.make({ namespace, name: name.value })
      return as(Option.isSome(namespace) ? Option.none() : clientId, origin)
    }),
    summarize: (isClientIdTaken) =>
      Effect.map(Effect.result(credentials.connector(Option.none())), (pair) => ({
        facts: { connectorClientSecret: isClientIdTaken && Result.isFailure(pair) ? "none" : said(pair) },
        has: has(pair)
      }))
  } satisfies Wired<OAuthM2MIdentity>
})

/**
 * Mode OAuth M2M.
 */
export const mode: AuthMode<OAuthM2MIdentity, ClientCredentialsSource | TokenEndpoint> = {
  tag: "oauth_m2m",
  authType: "oauth_m2m",
  taskSettings: ["clientId", "oauthSecretName"],
  isRecorded: (record) => authTypeOf(record) === "oauth_m2m",
  wire
}

const found = ({ instance }: AuthRequest, origin: Origin, { clientId, clientSecret }: ClientCredentials) => ({
  credential: { identity: new OAuthM2MIdentity({ instance, clientId: Option.some(clientId), origin }) },
  builtFrom: Option.some(clientSecret)
})

// A run that was submitted as a principal goes on as that principal, or not at all.
const requireClientId = Effect.fnUntraced(function* (
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
