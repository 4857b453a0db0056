/**
 * The boundary. `resolve` decides who a task is; `getHeader` gives the header for exactly that identity. Whatever calls
 * Databricks knows nothing else about authentication.
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import type * as HttpClient from "effect/http/HttpClient"
import * as Acquisition from "./modes/Acquisition.ts"
import type { AuthError, Finding } from "./AuthError.ts"
import type { AuthHeader, Credential } from "./Credential.ts"
import type { FailedTries, Token, Tries } from "./endpoint/Token.ts"
import * as AuthRequest from "./request/AuthRequest.ts"
import * as AuthSummary from "./AuthSummary.ts"
import type { Connection } from "./request/Connection.ts"
import * as ConnectorSecrets from "./sources/ConnectorSecrets.ts"
import * as ConnectorSettings from "./request/ConnectorSettings.ts"
import type { Identity } from "./Identity.ts"
import { fitsHeader } from "./internal/bearer.ts"
import { invalid } from "./internal/settings.ts"
import type { Kubernetes } from "./Kubernetes.ts"
import * as OAuthM2M from "./modes/OAuthM2M.ts"
import * as OidcConnector from "./modes/OidcConnector.ts"
import * as OidcNamespace from "./modes/OidcNamespace.ts"
import * as Pat from "./modes/Pat.ts"
import * as IdentityRecord from "./IdentityRecord.ts"
import * as Selection from "./modes/Selection.ts"
import * as ClientCredentialsSource from "./sources/ClientCredentialsSource.ts"
import * as NamespaceSecrets from "./sources/NamespaceSecrets.ts"
import * as PatSource from "./sources/PatSource.ts"
import * as ProjectedToken from "./sources/ProjectedToken.ts"
import * as ServiceAccountTokens from "./sources/ServiceAccountTokens.ts"
import * as TokenCache from "./tokens/TokenCache.ts"
import * as TokenEndpoint from "./endpoint/TokenEndpoint.ts"
import * as TokenEntries from "./tokens/TokenEntries.ts"
import type { TokenStatus } from "./tokens/TokenStatus.ts"
import { admit } from "./WorkspaceHost.ts"

/**
 * Who a task is on Databricks, and how that was found out. Neither shows a secret.
 */
export interface Resolved {
  readonly identity: Identity
  /** The namespace that was looked into for it. */
  readonly namespace: Option.Option<string>
  readonly explanation: ReadonlyArray<Finding>
  /** What to get headers for. */
  readonly credential: Credential
}

/**
 * Decides who a task is, and gives the header for a pinned identity.
 */
export class DatabricksAuth extends Context.Service<
  DatabricksAuth,
  {
    /** Who this task is. Called at submit, once per run. */
    readonly resolve: (task: AuthRequest.TaskContext) => Effect.Effect<Resolved, AuthError>
    /** The header for a pinned identity. The cache is looked into when this is called. */
    readonly getHeader: (credential: Credential) => Effect.Effect<AuthHeader, AuthError>
    /** Databricks refused this header: the next one is built anew from the same source, for the same identity. */
    readonly invalidate: (credential: Credential, refused: AuthHeader) => Effect.Effect<void>
    /** Progress of the token request that callers of `getHeader` are waiting for; none when no request is in flight. */
    readonly progress: (credential: Credential) => Effect.Effect<Option.Option<FailedTries>>
    /** How each credential that was asked for lately is doing, without its secrets. */
    readonly tokens: Effect.Effect<ReadonlyArray<TokenStatus>>
    /**
     * What job metadata is to keep of who a run is. Of tokens it is a PAT alone, because older connectors need it to
     * poll, and only where the operator lets it be written.
     */
    readonly record: (resolved: Resolved) => Effect.Effect<IdentityRecord.IdentityRecord, AuthError>
    /** Who a run was submitted as. Nothing is resolved again: the identity is the one that was recorded, or an error. */
    readonly recall: (
      recorded: IdentityRecord.IdentityRecord,
      connection?: Connection
    ) => Effect.Effect<Credential, AuthError>
  }
>()("@flyte-databricks/databricks-auth/DatabricksAuth") {}

/**
 * The boundary over any selection and acquisition.
 */
export const layerSelected: Layer.Layer<
  DatabricksAuth,
  never,
  Selection.Selection | Acquisition.Acquisition | ConnectorSettings.ConnectorSettings
> = Layer.effect(
  DatabricksAuth,
  Effect.gen(function* () {
    const settings = yield* ConnectorSettings.ConnectorSettings
    const selection = yield* Selection.Selection
    const acquisition = yield* Acquisition.Acquisition

    const patLifetime = Duration.fromInputUnsafe(yield* Pat.PatLifetime)

    const acquire = (
      { identity, storedToken }: Credential,
      refused: boolean,
      tries: Tries
    ): Effect.Effect<Token, AuthError> =>
      storedToken === undefined || (refused && !Pat.isOfConnection(identity))
        ? acquisition.acquire(identity, tries)
        : Effect.succeed(Pat.tokenOf(storedToken, patLifetime))
    const cache = yield* TokenCache.make(acquire)

    return DatabricksAuth.of({
      resolve: Effect.fn("DatabricksAuth.resolve")(function* (task) {
        const request = yield* AuthRequest.make(settings, task)
        const { identity, explanation, builtFrom } = yield* selection.select(request)
        const resolved = { identity, namespace: request.namespace, explanation }
        if (Option.isNone(builtFrom)) return { ...resolved, credential: { identity } }
        if (Pat.isOfConnection(identity)) {
          return { ...resolved, credential: { identity, storedToken: builtFrom.value } }
        }
        yield* cache.retire({ identity }, builtFrom.value)
        return { ...resolved, credential: { identity } }
      }),
      getHeader: cache.get,
      invalidate: (credential, refused) =>
        Effect.andThen(acquisition.forget(credential.identity), cache.invalidate(credential, refused)),
      progress: cache.progress,
      tokens: cache.status,
      record: Effect.fnUntraced(function* ({ identity, namespace }) {
        if (Pat.isOfConnection(identity)) return acquisition.record(identity)
        const recorded: IdentityRecord.IdentityRecord = { ...acquisition.record(identity), namespace }
        if (identity._tag !== "pat" || !settings.persistPat) return recorded
        const { authorization } = yield* cache.get({ identity })
        const token = Redacted.make(Redacted.value(authorization).slice("Bearer ".length), { label: "PAT" })
        return { ...recorded, authToken: Option.some(token) }
      }),
      recall: Effect.fnUntraced(function* (recorded, connection) {
        const instance = yield* admit(recorded.instance, settings.allowedInstances)
        const identity = yield* acquisition.recall(recorded, instance)
        if (identity._tag !== "pat") return { identity }
        if (connection !== undefined && IdentityRecord.saysNothing(recorded)) {
          return yield* Pat.recallConnection(instance, connection)
        }
        if (Option.isNone(recorded.authToken)) return { identity }
        const storedToken = recorded.authToken.value
        return fitsHeader(Redacted.value(storedToken))
          ? { identity, storedToken }
          : yield* invalid("auth_token of the job metadata", "(not shown)", "a token that a header can carry")
      })
    })
  })
).pipe(Layer.provide(TokenEntries.layer))

/**
 * PAT and nothing else: no other credential is among the requirements.
 */
export const layerPat: Layer.Layer<DatabricksAuth, never, PatSource.PatSource | ConnectorSettings.ConnectorSettings> =
  layerSelected.pipe(Layer.provide([Selection.layerPat, Acquisition.layerPat]), Layer.provide(Pat.layer))

/**
 * OAuth M2M and nothing else: no other credential is among the requirements.
 */
export const layerOAuthM2M: Layer.Layer<
  DatabricksAuth,
  never,
  ClientCredentialsSource.ClientCredentialsSource | TokenEndpoint.TokenEndpoint | ConnectorSettings.ConnectorSettings
> = layerSelected.pipe(
  Layer.provide([Selection.layerOAuthM2M, Acquisition.layerOAuthM2M]),
  Layer.provide(OAuthM2M.layer)
)

/**
 * OIDC federation and nothing else: no other credential is among the requirements.
 */
export const layerOidcFederation: Layer.Layer<
  DatabricksAuth,
  never,
  | ProjectedToken.ProjectedToken
  | ServiceAccountTokens.ServiceAccountTokens
  | TokenEndpoint.TokenEndpoint
  | ConnectorSettings.ConnectorSettings
> = layerSelected.pipe(
  Layer.provide([Selection.layerOidcFederation, Acquisition.layerOidcFederation]),
  Layer.provide([OidcConnector.layer, OidcNamespace.layer])
)

/**
 * Every mode: the auth type that the task or the environment sets, else the strongest that is reachable.
 */
export const layer: Layer.Layer<
  DatabricksAuth,
  never,
  | PatSource.PatSource
  | ClientCredentialsSource.ClientCredentialsSource
  | ProjectedToken.ProjectedToken
  | ServiceAccountTokens.ServiceAccountTokens
  | TokenEndpoint.TokenEndpoint
  | ConnectorSettings.ConnectorSettings
> = layerSelected.pipe(
  Layer.provide([Selection.layer, Acquisition.layer]),
  Layer.provide([Pat.layer, OAuthM2M.layer, OidcConnector.layer, OidcNamespace.layer])
)

/**
 * Every mode, as the environment configures it.
 */
export const layerConfig: Layer.Layer<
  DatabricksAuth | AuthSummary.AuthSummary,
  AuthError | Config.ConfigError,
  Kubernetes | HttpClient.HttpClient | FileSystem.FileSystem | Path.Path
> = Layer.merge(layer, AuthSummary.layer).pipe(
  Layer.provide([
    PatSource.layer,
    ClientCredentialsSource.layer,
    ProjectedToken.layer,
    ServiceAccountTokens.layer,
    TokenEndpoint.layer
  ]),
  Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layer]),
  Layer.provide(ConnectorSettings.layerConfig)
)
