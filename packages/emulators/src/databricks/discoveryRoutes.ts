/**
 * What clients look up before they log in.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/** What the host says of itself. */
export interface HostInfo {
  /** None where several share the host. */
  readonly workspaceId: string | undefined
  readonly accountId: string
  /** The grant types of the token endpoint. */
  readonly grantTypes: ReadonlyArray<string>
}

/** Where OAuth is: at the workspace, or at the account where several workspaces share the host. */
export const oidcPath = (host: { readonly accountId: string; readonly isUnified: boolean }) =>
  host.isUnified ? (`/oidc/accounts/${host.accountId}` as const) : ("/oidc" as const)

/** The routes for discovery. URLs are given under the name the client called the emulator by. */
export const discoveryRoutes = ({ accountId, grantTypes, workspaceId }: HostInfo, url: string) => {
  const isUnified = workspaceId === undefined
  const oidc = oidcPath({ accountId, isUnified })
  const json = (body: (base: string) => unknown) => (request: HttpServerRequest.HttpServerRequest) => {
    const host = request.headers["host"]
    const base = host === undefined ? url : `${url.slice(0, url.indexOf("://"))}://${host}`
    return Effect.succeed(HttpServerResponse.jsonUnsafe(body(base)))
  }
  return [
    HttpRouter.route(
      "GET",
      "/.well-known/databricks-config",
      json((base) => ({
        oidc_endpoint: isUnified ? `${base}/oidc/accounts/{account_id}` : `${base}/oidc`,
        account_id: accountId,
        ...(isUnified ? {} : { workspace_id: workspaceId }),
        cloud: "aws",
        host_type: isUnified ? "unified" : "workspace",
        token_federation_default_oidc_audiences: [accountId]
      }))
    ),
    HttpRouter.route(
      "GET",
      `${oidc}/.well-known/oauth-authorization-server`,
      json((base) => ({
        issuer: `${base}${oidc}`,
        authorization_endpoint: `${base}${oidc}/v1/authorize`,
        token_endpoint: `${base}${oidc}/v1/token`,
        grant_types_supported: grantTypes,
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
        scopes_supported: ["all-apis"],
        response_types_supported: ["code"]
      }))
    )
  ]
}
