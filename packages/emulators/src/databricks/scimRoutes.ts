/**
 * `GET /api/2.0/preview/scim/v2/Me`: who the caller is.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { toResponse } from "./ApiError.ts"
import type { Authentication } from "./Authentication.ts"

/** The route, over the check of who calls. */
export const scimRoutes = (authentication: Authentication) => [
  HttpRouter.route(
    "GET",
    "/api/2.0/preview/scim/v2/Me",
    authentication.pipe(
      Effect.map(({ principal, workspaceId }) =>
        HttpServerResponse.jsonUnsafe(
          {
            schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
            id: principal.id.toString(),
            userName: principal.name,
            displayName: principal.displayName,
            active: true,
            groups: [{ display: principal.admin ? "admins" : "users", type: "direct" }],
            ...(principal.kind === "user" ? { emails: [{ type: "work", value: principal.name, primary: true }] } : {})
          },
          { headers: { "x-databricks-org-id": workspaceId } }
        )
      ),
      Effect.catchTag("ApiError", toResponse)
    )
  )
]
