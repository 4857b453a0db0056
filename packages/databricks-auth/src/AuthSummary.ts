/**
 * What a service says about its authentication when it starts: enough to see a wrong setting, and no secret.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { AuthError } from "./AuthError.ts"
import { ConnectorSettings } from "./request/ConnectorSettings.ts"
import { Kubernetes } from "./Kubernetes.ts"
import { ClientCredentialsSource } from "./sources/ClientCredentialsSource.ts"
import { PatSource } from "./sources/PatSource.ts"
import { describeFile, ProjectedToken, tokenFileOf } from "./sources/ProjectedToken.ts"

/**
 * A fact a line. A credential of the connector that is broken is said here, before the first submit meets it.
 */
export interface Facts {
  readonly instance: string
  readonly allowedInstances: string
  readonly authType: string
  readonly connectorClientId: string
  readonly connectorJwt: string
  readonly connectorClientSecret: string
  readonly connectorPat: string
  readonly kubernetes: string
  readonly namespaceIdentity: string
  readonly taskAuthOverride: string
  readonly patInJobMetadata: string
}

/**
 * Describes the authentication that is configured.
 */
export class AuthSummary extends Context.Service<AuthSummary, { readonly describe: Effect.Effect<Facts> }>()(
  "@flyte-databricks/databricks-auth/AuthSummary"
) {}

export const layer: Layer.Layer<
  AuthSummary,
  never,
  ConnectorSettings | Kubernetes | PatSource | ClientCredentialsSource | ProjectedToken
> = Layer.effect(
  AuthSummary,
  Effect.gen(function* () {
    const settings = yield* ConnectorSettings
    const kubernetes = yield* Kubernetes
    const pats = yield* PatSource
    const pairs = yield* ClientCredentialsSource
    const tokens = yield* ProjectedToken
    const jwtFile = tokenFileOf(settings.tokenFiles)
    return AuthSummary.of({
      describe: Effect.gen(function* () {
        const pat = yield* Effect.result(pats.connector)
        const jwt = yield* Effect.result(tokens.read(jwtFile))
        const clientId = yield* Effect.result(tokens.clientId)
        const pair = yield* Effect.result(pairs.connector(Option.none()))
        // With a JWT to go with it, a client id alone is no half of a pair but all that Model 1 needs.
        const isFederated = Result.isSuccess(jwt) && Option.isSome(jwt.success)
        return {
          instance: Option.getOrElse(settings.instance, () => "none: each task names its own"),
          allowedInstances: settings.allowedInstances.patterns.join(", "),
          authType: Option.getOrElse(settings.authType, () => "auto-detect: oidc_federation, then oauth_m2m, then pat"),
          connectorClientId: said(clientId, (id) => id),
          connectorJwt: said(jwt, () => describeFile(jwtFile)),
          connectorClientSecret: isFederated && Result.isFailure(pair) ? "none" : said(pair, () => "set"),
          connectorPat: said(pat, () => "set"),
          kubernetes: Option.getOrElse(kubernetes.cluster, () => "not configured: namespaces have no Secrets"),
          namespaceIdentity: settings.namespaceIdentity,
          taskAuthOverride: settings.allowTaskAuthOverride ? "allowed" : "refused",
          patInJobMetadata: settings.persistPat ? "written" : "not written"
        }
      })
    })
  })
)

const said = <A>(found: Result.Result<Option.Option<A>, AuthError>, whole: (credential: A) => string): string =>
  Result.match(found, {
    onFailure: (error) => `broken: ${error.message}`,
    onSuccess: Option.match({ onNone: () => "none", onSome: whole })
  })
