/**
 * OAuth machine-to-machine: a service principal's client credentials (RFC 6749 §4.4), from a Secret of the workflow's
 * namespace, else the connector's.
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { TokenEndpoint } from "../endpoint/TokenEndpoint.ts"
import { ConnectorLevel, NamespaceSecret, OAuthM2MIdentity, type Origin, Unrecorded } from "../Identity.ts"
import { authTypeOf } from "../IdentityRecord.ts"
import type { AuthRequest } from "../request/AuthRequest.ts"
import { type ClientCredentials, ClientCredentialsSource } from "../sources/ClientCredentialsSource.ts"
import type { AuthMode, Wired } from "./AuthMode.ts"
import { hasAny, said } from "./internal/facts.ts"
import * as Origins from "./internal/origins.ts"
import { requirePrincipal } from "./Policy.ts"

const wire = Effect.gen(function* () {
  const credentials = yield* ClientCredentialsSource
  const tokenEndpoint = yield* TokenEndpoint
  const origins = Origins.make({
    what: "client credentials",
    source: credentials,
    connector: credentials.connector,
    variables: "FLYTE_DATABRICKS_CLIENT_ID and FLYTE_DATABRICKS_CLIENT_SECRET",
    namedBy: "oauthSecretName",
    keys: ["client_id", "client_secret"],
    found
  })

  return {
    places: origins.places,
    acquire: Effect.fnUntraced(function* ({ identity }, _refused, tries) {
      const { instance, clientId, origin } = identity
      const source = origins.describe(origin)
      const pair = yield* origins.read(origin)
      // A run that was submitted as a principal goes on as that principal, or not at all.
      if (Option.isSome(clientId)) yield* Effect.fromResult(requirePrincipal(source, clientId.value, pair.clientId))
      return yield* tokenEndpoint.clientCredentials({ instance, source, ...pair }, tries).pipe(
        // The secret was rotated, perhaps: the next request is made with the one that is there then.
        Effect.tapError(({ reason }) => (reason._tag === "TokenRefused" ? origins.forget(origin) : Effect.void))
      )
    }),
    forget: ({ origin }) => origins.forget(origin),
    record: ({ identity: { clientId, origin } }) => ({ clientId, ...Origins.record(origin) }),
    // Flyte's connector records its own client id also where a namespace's Secret overrode it. So that id says nothing
    // about who the run is, unless this connector wrote it, which for its own pair names no Secret.
    recall: ({ clientId, namespace, oauthSecretName: name }, instance) => {
      const as = (id: Option.Option<string>, origin: Origin) => ({
        identity: new OAuthM2MIdentity({ instance, clientId: id, origin })
      })
      if (Option.isNone(name)) return Effect.succeed(as(clientId, ConnectorLevel.make({})))
      const own = Option.isSome(clientId) ? credentials.connectorClientId : Effect.succeedNone
      return Effect.map(own, (own) => {
        const isOwn = Option.isSome(clientId) && Equal.equals(clientId, own)
        if (Option.isSome(namespace) && !isOwn) {
          return as(clientId, NamespaceSecret.make({ namespace: namespace.value, name: name.value }))
        }
        const origin = Unrecorded.make({ namespace, name: name.value })
        return as(Option.isSome(namespace) ? Option.none() : clientId, origin)
      })
    },
    summarize: (isClientIdTaken) =>
      Effect.map(Effect.result(credentials.connector(Option.none())), (pair) => ({
        facts: { connectorClientSecret: isClientIdTaken && Result.isFailure(pair) ? "none" : said(pair) },
        hasAny: hasAny(pair)
      }))
  } satisfies Wired<OAuthM2MIdentity>
})

/**
 * The mode of client credentials.
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
