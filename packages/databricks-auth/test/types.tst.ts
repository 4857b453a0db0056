/**
 * Isolation that the compiler checks: what an explicit auth type is built from cannot reach another mode's credentials.
 * Nothing here runs. `tsc -b` fails when a layer requires more than is written here, and when one of the lines that
 * must not compile does.
 */
import {
  type AuthMode,
  type ClientCredentialsSource,
  ConnectorSettings,
  DatabricksAuth,
  type Identity,
  type IdTokenSource,
  type Kubernetes,
  type Modes,
  OAuthM2M,
  type OidcConnector,
  type OidcNamespace,
  Pat,
  type PatSource,
  type ProjectedToken,
  type ServiceAccountTokens,
  type TaskSettings,
  type TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { type Context, type Effect, Layer } from "effect"

type Settings = ConnectorSettings.ConnectorSettings
type Pats = PatSource.PatSource
type Pairs = ClientCredentialsSource.ClientCredentialsSource
type Projected = ProjectedToken.ProjectedToken
type Minted = ServiceAccountTokens.ServiceAccountTokens
type Tokens = TokenEndpoint.TokenEndpoint

// Each explicit auth type requires the narrow sources of its own modes.
DatabricksAuth.layerPat.pipe(Layer.satisfiesServicesType<Pats | Settings>())
DatabricksAuth.layerOAuthM2M.pipe(Layer.satisfiesServicesType<Pairs | Tokens | Settings>())
DatabricksAuth.layerOidcFederation.pipe(Layer.satisfiesServicesType<Projected | Minted | Tokens | Settings>())

// No mode's own source can be left out, so what is above is not met by a layer that requires nothing.
// @ts-expect-error PAT is built from PATs
DatabricksAuth.layerPat.pipe(Layer.satisfiesServicesType<Settings>())
// @ts-expect-error OAuth M2M is built from client credentials
DatabricksAuth.layerOAuthM2M.pipe(Layer.satisfiesServicesType<Tokens | Settings>())
// @ts-expect-error OIDC federation is built from the connector's JWT
DatabricksAuth.layerOidcFederation.pipe(Layer.satisfiesServicesType<Minted | Tokens | Settings>())
// @ts-expect-error and from those of ServiceAccounts
DatabricksAuth.layerOidcFederation.pipe(Layer.satisfiesServicesType<Projected | Tokens | Settings>())

// Auto-detect requires them all, so it is no explicit layer by mistake.
// @ts-expect-error auto-detect reaches PATs
DatabricksAuth.layer.pipe(Layer.satisfiesServicesType<Pairs | Projected | Minted | Tokens | Settings>())
// @ts-expect-error auto-detect reaches client credentials
DatabricksAuth.layer.pipe(Layer.satisfiesServicesType<Pats | Projected | Minted | Tokens | Settings>())

// A mode draws on one source.
type SourcesOf<M> = AuthMode.SourcesOf<M>
const same = <A, B extends A>(..._: [A] extends [B] ? [] : [never]): void => {}
same<SourcesOf<typeof Pat.mode>, Pats | Settings>()
same<SourcesOf<typeof OAuthM2M.mode>, Pairs | Tokens>()
same<SourcesOf<typeof OidcConnector.mode>, Projected | Tokens | Settings>()
same<SourcesOf<typeof OidcNamespace.mode>, Minted | Tokens | Settings>()

// The boundary over some modes requires what these are built on, and no more.
DatabricksAuth.layerOf([Pat.mode, OAuthM2M.mode]).pipe(Layer.satisfiesServicesType<Pats | Pairs | Tokens | Settings>())
// @ts-expect-error client credentials are among them
DatabricksAuth.layerOf([Pat.mode, OAuthM2M.mode]).pipe(Layer.satisfiesServicesType<Pats | Tokens | Settings>())

// Every kind of identity has a mode in the list, but for that of other packages' modes.
same<(typeof Modes.all)[number]["tag"], Exclude<Identity.Identity["_tag"], "extension">>()

// Federation by one source of ID tokens reaches that source, and none of a connector's own.
DatabricksAuth.layerOidc({ clientId: "app-1" }).pipe(
  Layer.satisfiesServicesType<IdTokenSource.IdTokenSource | Tokens | Settings>()
)
// @ts-expect-error it is built from ID tokens
DatabricksAuth.layerOidc({ clientId: "app-1" }).pipe(Layer.satisfiesServicesType<Tokens | Settings>())

// Who decides does not see tokens, and what gets tokens does not see namespaces' Secrets or variables: those are two
// steps further down, behind the sources.
type Requirements<L> = L extends Layer.Layer<infer _Out, infer _E, infer R> ? R : never
type Reaches<L, Service> = Extract<Requirements<L>, Service> extends never ? false : true
const no = <T extends false>(_?: T): void => {}
no<Reaches<typeof DatabricksAuth.layerPat, Pairs | Projected | Minted | Tokens | Kubernetes.Kubernetes>>()
no<Reaches<typeof DatabricksAuth.layerOAuthM2M, Pats | Projected | Minted | Kubernetes.Kubernetes>>()
no<Reaches<typeof DatabricksAuth.layerOidcFederation, Pats | Pairs | Kubernetes.Kubernetes>>()
// @ts-expect-error the check itself can fail
no<Reaches<typeof DatabricksAuth.layerOAuthM2M, Pairs>>()

// The boundary's methods need nothing: no caller can hand them another source.
type Needs<Service> = {
  readonly [Method in keyof Service]: Service[Method] extends (
    ...args: never
  ) => Effect.Effect<infer _A, infer _E, infer R>
    ? R
    : never
}[keyof Service]
const nothing = <T extends never>(_?: T): void => {}
nothing<Needs<Context.Service.Shape<typeof DatabricksAuth.DatabricksAuth>>>()
nothing<Needs<Context.Service.Shape<typeof TokenEndpoint.TokenEndpoint>>>()

// A task's setting or an option that does not exist does not compile.
const task = (_: TaskSettings.TaskSettings): void => {}
task({ oidcAudience: "databricks", clientId: undefined })
// @ts-expect-error misspelt
task({ oidcAudiance: "databricks" })
// @ts-expect-error in Flyte's spelling
task({ databricksAuthType: "pat" })
ConnectorSettings.layer({ instance: "dbc-a1b2.cloud.databricks.com", authType: "pat" })
// @ts-expect-error misspelt
ConnectorSettings.layer({ instanse: "dbc-a1b2.cloud.databricks.com" })
// @ts-expect-error no auth type
ConnectorSettings.layer({ authType: "m2m" })
