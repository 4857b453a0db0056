/**
 * The core for who does not know Effect: a login to a workspace as promises, with a `fetch` that carries the token.
 *
 * ```ts
 * await using workspace = databricks({ host: "dbc-a1b2.cloud.databricks.com", auth: fromEnvironment() })
 * const answer = await workspace.fetch("/api/2.1/jobs/list")
 * ```
 */
import type { Auth, Databricks, Options } from "./client/Databricks.ts"
import * as environment from "./client/internal/environment.ts"
import * as AuthenticatedFetch from "./client/internal/fetch.ts"
import * as Session from "./client/internal/session.ts"
import * as ways from "./client/internal/ways.ts"
import * as Setups from "./client/Setup.ts"

export type { AccessToken, Auth, Databricks, Explanation, Finding, Options } from "./client/Databricks.ts"
export { type Code, DatabricksError } from "./client/DatabricksError.ts"

/**
 * A login to one workspace. Nothing is asked for before the first call.
 */
export const databricks = (options: Options): Databricks => {
  const session = Session.make(options)
  const send: typeof globalThis.fetch = options.fetch ?? ((...request) => globalThis.fetch(...request))
  return {
    fetch: AuthenticatedFetch.make(session, send, options.auth.type),
    headers: () => session.headers(),
    token: session.token,
    invalidate: session.invalidate,
    explain: session.explain,
    origin: session.origin,
    close: session.close,
    [Symbol.asyncDispose]: session.close
  }
}

/** With a personal access token. */
export const pat = (token: string): Auth => Setups.auth("pat", { make: ways.pat(token) })

/** As a service principal, with its OAuth secret (RFC 6749 §4.4). */
export const oauthM2M = (credentials: { readonly clientId: string; readonly clientSecret: string }): Auth =>
  Setups.auth("oauth-m2m", { make: ways.oauthM2M(credentials.clientId, credentials.clientSecret) })

/**
 * As a service principal, by a JWT of somebody whom a federation policy of Databricks trusts (RFC 8693). `idToken` is
 * asked each time a token is: it may read a file that is rotated. It is told the audience `databricks`, for who has the
 * JWT made; another that the policy takes will do.
 */
export const oidc = (credentials: {
  readonly clientId: string
  readonly idToken: (audience: string) => string | Promise<string>
}): Auth => Setups.auth("oidc", { make: ways.oidc(credentials.clientId, credentials.idToken) })

/**
 * As Databricks' own variables say, which its SDKs read too: `DATABRICKS_TOKEN`; `DATABRICKS_CLIENT_ID` with
 * `DATABRICKS_CLIENT_SECRET`; or `DATABRICKS_CLIENT_ID` with a JWT in `DATABRICKS_OIDC_TOKEN` (or the variable that
 * `DATABRICKS_OIDC_TOKEN_ENV` names), in the file that `DATABRICKS_OIDC_TOKEN_FILEPATH` names, or of GitHub Actions, in a job
 * with `permissions: id-token: write`. The first of them counts, or the one that `DATABRICKS_AUTH_TYPE` names (`pat`,
 * `oauth-m2m`, `env-oidc`, `file-oidc`, `github-oidc`). By default they are those of the process.
 */
export const fromEnvironment = (variables?: Readonly<Record<string, string | undefined>>): Auth =>
  Setups.auth("environment", { make: environment.fromEnvironment(variables), host: environment.host(variables) })
