/**
 * `POST …/v1/token`: finds the grant that the request asks for and gives out an opaque access token.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { AccessTokens } from "../AccessTokens.ts"
import type { Grant, TokenRequest } from "./Grant.ts"
import { invalidRequest, invalidScope, type OAuthError, toResponse, unsupportedGrantType } from "./OAuthError.ts"
import type { Refusals } from "./Refusals.ts"
import { read } from "./TokenRequest.ts"
import { header as workspaceHeader } from "../Workspaces.ts"

/** The only scope the workspace gives out. */
const scope = "all-apis"

/** Makes the route over the grants that the workspace knows. */
export const route = (options: {
  readonly grants: ReadonlyArray<Grant>
  readonly tokens: AccessTokens
  readonly lifetime: Duration.Duration
  readonly refusals: Refusals
  /** What the path begins with. */
  readonly oidcPath: `/${string}`
}) => {
  const answer = Effect.fnUntraced(function* (request: TokenRequest) {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    if (headers[workspaceHeader] !== undefined) {
      return yield* invalidRequest(`Header ${workspaceHeader} is for the APIs of a workspace`)
    }
    const grantType = request.parameters.get("grant_type")
    if (grantType === undefined) return yield* invalidRequest("Parameter 'grant_type' is required")
    const grant = options.grants.find((grant) => grant.grantType === grantType)
    if (grant === undefined) return yield* unsupportedGrantType(grantType)

    const granted = yield* grant.grant(request)
    const asked = request.parameters.get("scope")
    if (asked !== scope) return yield* invalidScope(`Parameter 'scope' must be '${scope}'`)

    const lifetime = Duration.min(options.lifetime, granted.notLongerThan ?? Duration.infinity)
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

  const refuse = (request?: TokenRequest) => (error: OAuthError) => {
    const grantType = request?.parameters.get("grant_type")
    const clientId = request?.client?.id ?? request?.parameters.get("client_id")
    return Effect.andThen(options.refusals.record(error, { grantType, clientId }), toResponse(error))
  }

  return HttpRouter.route(
    "POST",
    `${options.oidcPath}/v1/token`,
    Effect.matchEffect(read, {
      onFailure: refuse(),
      onSuccess: (request) => Effect.catchTag(answer(request), "OAuthError", refuse(request))
    })
  )
}
