/**
 * `POST /oidc/v1/token`: finds the grant that the request asks for and gives out an opaque access token.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { AccessTokens } from "../AccessTokens.ts"
import type { Grant } from "./Grant.ts"
import { invalidRequest, invalidScope, toResponse, unsupportedGrantType } from "./OAuthError.ts"
import * as TokenRequest from "./TokenRequest.ts"

/** The only scope the workspace gives out. */
const scope = "all-apis"

/** Makes the route over the grants that the workspace knows. */
export const route = (options: {
  readonly grants: ReadonlyArray<Grant>
  readonly tokens: AccessTokens
  readonly lifetime: Duration.Duration
}) => {
  const answer = Effect.gen(function* () {
    const request = yield* TokenRequest.read
    const grantType = request.parameters.get("grant_type")
    if (grantType === undefined) return yield* invalidRequest("Parameter 'grant_type' is required")
    const grant = options.grants.find((grant) => grant.grantType === grantType)
    if (grant === undefined) return yield* unsupportedGrantType(grantType)

    const granted = yield* grant.grant(request)
    const asked = request.parameters.get("scope")
    if (asked !== scope) return yield* invalidScope(`Parameter 'scope' must be '${scope}'`)

    const lifetime = granted.lifetime ?? options.lifetime
    return HttpServerResponse.jsonUnsafe(
      {
        access_token: yield* options.tokens.issue(granted.principal, lifetime),
        scope,
        token_type: "Bearer",
        expires_in: Math.floor(Duration.toSeconds(lifetime))
      },
      { headers: { "cache-control": "no-store" } }
    )
  })
  return HttpRouter.route("POST", "/oidc/v1/token", Effect.catchTag(answer, "OAuthError", toResponse))
}
