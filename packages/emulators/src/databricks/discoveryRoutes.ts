/**
 * What clients look up before they log in.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/** What the workspace says of itself. */
export interface WorkspaceInfo {
  readonly workspaceId: string
  readonly accountId: string
  /** The grant types of the token endpoint. */
  readonly grantTypes: ReadonlyArray<string>
}

/** The routes for discovery. URLs are given under the name the client called the emulator by. */
export const discoveryRoutes = ({ accountId, grantTypes, workspaceId }: WorkspaceInfo, url: string) => {
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
        oidc_endpoint: `${base}/oidc`,
        account_id: accountId,
        workspace_id: workspaceId,
        cloud: "aws",
        token_federation_default_oidc_audiences: [accountId]
      }))
    ),
    HttpRouter.route(
      "GET",
      "/oidc/.well-known/oauth-authorization-server",
      json((base) => ({
        issuer: `${base}/oidc`,
        authorization_endpoint: `${base}/oidc/v1/authorize`,
        token_endpoint: `${base}/oidc/v1/token`,
        grant_types_supported: grantTypes,
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
        scopes_supported: ["all-apis"],
        response_types_supported: ["code"]
      }))
    )
  ]
}
