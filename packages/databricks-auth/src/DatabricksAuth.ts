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
import * as Result from "effect/Result"
import type * as HttpClient from "effect/http/HttpClient"
import type { AuthError } from "./AuthError.ts"
import * as AuthSummary from "./AuthSummary.ts"
import type { AuthHeader, Credential } from "./Credential.ts"
import type { Progress, Token } from "./endpoint/Token.ts"
import * as TokenEndpoint from "./endpoint/TokenEndpoint.ts"
import type { IdentityRecord } from "./IdentityRecord.ts"
import type * as Jwt from "./Jwt.ts"
import type * as Kubernetes from "./Kubernetes.ts"
import * as Acquisition from "./modes/Acquisition.ts"
import * as AuthMode from "./modes/AuthMode.ts"
import * as Modes from "./modes/Modes.ts"
import * as OAuthM2M from "./modes/OAuthM2M.ts"
import * as Oidc from "./modes/Oidc.ts"
import * as Pat from "./modes/Pat.ts"
import * as Policy from "./modes/Policy.ts"
import { decided } from "./modes/selectionMetrics.ts"
import * as Selection from "./modes/Selection.ts"
import * as AuthRequest from "./request/AuthRequest.ts"
import type { Connection } from "./request/Connection.ts"
import * as ConnectorSettings from "./request/ConnectorSettings.ts"
import * as ClientCredentialsSource from "./sources/ClientCredentialsSource.ts"
import * as ConnectorSecrets from "./sources/ConnectorSecrets.ts"
import type { IdTokenSource } from "./sources/IdTokenSource.ts"
import * as NamespaceSecrets from "./sources/NamespaceSecrets.ts"
import * as PatSource from "./sources/PatSource.ts"
import * as ProjectedTokenExpiry from "./sources/ProjectedTokenExpiry.ts"
import * as ProjectedToken from "./sources/ProjectedToken.ts"
import * as Surroundings from "./sources/Memory.ts"
import * as ServiceAccountTokens from "./sources/ServiceAccountTokens.ts"
import * as Spans from "./telemetry/Spans.ts"
import * as TokenCache from "./tokens/TokenCache.ts"
import * as TokenEntries from "./tokens/TokenEntries.ts"
import type { TokenStatus } from "./tokens/TokenStatus.ts"
import { TokenObserver } from "./TokenObserver.ts"
import { admit } from "./WorkspaceHost.ts"

export type Resolved = AuthMode.Resolved

/**
 * How an identity is decided on.
 */
export interface Explained extends Selection.Selected {
  /** The settings that count; none where one of them is refused, which the outcome says. */
  readonly request: Option.Option<AuthRequest.AuthRequest>
}

/**
 * Decides who a task is, and gives the header for a pinned identity.
 */
export class DatabricksAuth extends Context.Service<
  DatabricksAuth,
  {
    /** Who this task is. Called at submit, once per run. */
    readonly resolve: (task: AuthRequest.TaskContext) => Effect.Effect<Resolved, AuthError>
    /** How `resolve` decides, step by step. It is what `resolve` does, and fails with nothing. */
    readonly explain: (task: AuthRequest.TaskContext) => Effect.Effect<Explained>
    /**
     * What the JWT says that a token for this credential is asked for with; none where the mode exchanges none. The
     * JWT itself stays inside.
     */
    readonly subject: (credential: Credential) => Effect.Effect<Option.Option<Jwt.Description>, AuthError>
    /** The header for what `resolve` or `recall` gave. The cache is looked into when this is called. */
    readonly getHeader: (credential: Credential) => Effect.Effect<AuthHeader, AuthError>
    /** Databricks refused this header: the next one is built anew from the same place, for the same identity. */
    readonly invalidate: (credential: Credential, refused: AuthHeader) => Effect.Effect<void>
    /** Progress of the token request that callers of `getHeader` are waiting for; none when no request is in flight. */
    readonly progress: (credential: Credential) => Effect.Effect<Option.Option<Progress>>
    /** How each credential that was asked for lately is doing, without its secrets. */
    readonly tokens: Effect.Effect<ReadonlyArray<TokenStatus>>
    /**
     * What job metadata is to keep of who a run is. Of tokens it is a namespace's PAT alone, because older connectors need
     * it to poll, and only where the operator lets it be written. The connection is that of the request.
     */
    readonly record: (resolved: Resolved, connection?: Connection) => IdentityRecord
    /** Who a run was submitted as. Nothing is resolved again: the identity is the one that was recorded, or an error. */
    readonly recall: (record: IdentityRecord, connection?: Connection) => Effect.Effect<Credential, AuthError>
  }
>()("@flyte-databricks/databricks-auth/DatabricksAuth") {}

/**
 * The boundary over these modes, strongest first. What they are built on is all that it can reach.
 */
export const layerOf = <const M extends AuthMode.AnyMode>(
  modes: ReadonlyArray<M>
): Layer.Layer<DatabricksAuth, never, ConnectorSettings.ConnectorSettings | AuthMode.SourcesOf<M>> =>
  Layer.effect(
    DatabricksAuth,
    Effect.gen(function* () {
      const settings = yield* ConnectorSettings.ConnectorSettings
      const ready = yield* AuthMode.wireAll(modes)
      const select = yield* Selection.make(settings, ready)
      const acquisition = Acquisition.make(ready)
      const guarded = [...new Set([...Modes.taskSettings, ...modes.flatMap((mode) => mode.taskSettings)])]
      const requestOf = AuthRequest.make(settings, guarded)
      const admitted = (credential: Credential) => Effect.fromResult(Policy.admitted(settings, credential))

      const observer = yield* TokenObserver
      const cache = yield* TokenCache.make((credential, refused, tries) =>
        Effect.flatMap(admitted(credential), (admitted) => acquisition.acquire(admitted, refused, tries)).pipe(
          Effect.tap((token) =>
            credential.identity._tag === "pat" ? Effect.void : observer.issued(issued(credential, token))
          ),
          Effect.tapError((error) =>
            error.retryable ? Effect.void : observer.refused({ identity: credential.identity, error })
          )
        )
      )

      const explain = Effect.fnUntraced(function* (task: AuthRequest.TaskContext): Effect.fn.Return<Explained> {
        const request = requestOf(task)
        return Result.isFailure(request)
          ? { request: Option.none(), looked: [], outcome: Result.fail(request.failure) }
          : { request: Option.some(request.success), ...(yield* select(request.success)) }
      })

      return DatabricksAuth.of({
        explain,
        resolve: Effect.fnUntraced(function* (task) {
          const { outcome, request } = yield* explain(task)
          yield* decided(
            outcome,
            Option.flatMap(request, ({ authType }) => Option.map(authType, ({ value }) => value))
          )
          const resolved = yield* Effect.fromResult(outcome)
          if (Option.isSome(resolved.builtFrom)) yield* cache.retire(resolved, resolved.builtFrom.value)
          return resolved
        }, Spans.span("DatabricksAuth.resolve")),
        subject: (credential) => Effect.flatMap(admitted(credential), ({ identity }) => acquisition.subject(identity)),
        getHeader: cache.get,
        invalidate: (credential, refused) =>
          Effect.andThen(acquisition.forget(credential.identity), cache.invalidate(credential, refused)),
        progress: cache.progress,
        tokens: cache.status,
        record: acquisition.record,
        recall: Effect.fnUntraced(function* (record, connection) {
          const instance = yield* Effect.fromResult(admit(record.instance, settings.allowedInstances))
          return yield* acquisition.recall(record, instance, connection)
        })
      })
    })
  ).pipe(Layer.provide(TokenEntries.layer))

const issued = ({ identity }: Credential, { lifetime, jwt, requestId }: Token) => ({
  identity,
  lifetimeMillis: Duration.toMillis(lifetime),
  ...(jwt === undefined ? {} : { jwt }),
  ...(requestId === undefined ? {} : { requestId })
})

/**
 * PAT and nothing else: no other credential is among the requirements.
 */
export const layerPat: Layer.Layer<DatabricksAuth, never, PatSource.PatSource | ConnectorSettings.ConnectorSettings> =
  layerOf([Pat.mode])

/**
 * OAuth M2M and nothing else: no other credential is among the requirements.
 */
export const layerOAuthM2M: Layer.Layer<
  DatabricksAuth,
  never,
  ClientCredentialsSource.ClientCredentialsSource | TokenEndpoint.TokenEndpoint | ConnectorSettings.ConnectorSettings
> = layerOf([OAuthM2M.mode])

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
> = layerOf(Modes.oidcFederation)

/**
 * OIDC federation by the ID tokens of one `IdTokenSource`, as this service principal, and nothing else: for a service that
 * is no pod of a cluster.
 */
export const layerOidc = (
  own: Oidc.Options
): Layer.Layer<
  DatabricksAuth,
  never,
  IdTokenSource | TokenEndpoint.TokenEndpoint | ConnectorSettings.ConnectorSettings
> => layerOf([Oidc.mode(own)])

/**
 * Every mode: the auth type that the task or the environment sets, else the strongest that is reachable.
 */
export const layer: Layer.Layer<DatabricksAuth, never, Surroundings.Sources> = layerOf(Modes.all)

/**
 * Every mode, as the environment configures it.
 */
export const layerConfig: Layer.Layer<
  DatabricksAuth | AuthSummary.AuthSummary,
  AuthError | Config.ConfigError,
  Kubernetes.Kubernetes | HttpClient.HttpClient | FileSystem.FileSystem | Path.Path
> = Layer.mergeAll(layer, AuthSummary.layer, ProjectedTokenExpiry.layer).pipe(
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

/** What surrounds a boundary in memory. */
export type Memory = Surroundings.Memory

/**
 * A boundary in memory: the real one, on a cluster, secrets, files and a token endpoint that are not. `KubernetesMemory`
 * and `TokenEndpointMemory` steer it, and say what was asked of them.
 */
export const layerMemory = (
  memory: Memory = {},
  boundary: Layer.Layer<DatabricksAuth, never, Surroundings.Sources> = layer
): Layer.Layer<DatabricksAuth | AuthSummary.AuthSummary | Surroundings.Inside, AuthError> =>
  Surroundings.around(Layer.merge(boundary, AuthSummary.layer), memory)

/**
 * The same over modes of one's own. What they are built on beside the sources of this package, the caller provides.
 */
export const layerMemoryOf = <const M extends AuthMode.AnyMode>(
  modes: ReadonlyArray<M>,
  memory: Memory = {}
): Layer.Layer<
  DatabricksAuth | AuthSummary.AuthSummary | Surroundings.Inside,
  AuthError,
  Exclude<AuthMode.SourcesOf<M>, Surroundings.Sources | Kubernetes.Kubernetes>
> => Surroundings.around(Layer.merge(layerOf(modes), AuthSummary.layerOf(modes)), memory)
