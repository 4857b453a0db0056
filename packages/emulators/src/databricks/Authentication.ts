/**
 * Who makes an API call: the bearer token of the request, as a PAT or as an OAuth access token.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type { AccessTokens } from "./AccessTokens.ts"
import { credentialMissing, invalidAccessToken, notInWorkspace, tokenAboutToExpire } from "./ApiError.ts"
import type { Principal, Principals } from "./Principals.ts"
import type { Workspaces } from "./Workspaces.ts"

/** How the workspace refuses tokens. */
export interface AuthenticationOptions {
  /** The status for an unknown, revoked or expired token: the service answers 401 or 403, by default 401 here. */
  readonly invalidTokenStatus?: 401 | 403 | undefined
  /** OAuth tokens with this little time left are refused with 403, as Azure does at 30 seconds; by default zero. */
  readonly refuseTokensExpiringWithin?: Duration.Input | undefined
}

/** Who calls, and which workspace. */
export interface Caller {
  readonly principal: Principal
  readonly workspaceId: string
}

/** Makes the check: it gives the caller of the current request, or fails as the service does. */
export const make = (
  principals: Principals,
  tokens: AccessTokens,
  workspaces: Workspaces,
  options: AuthenticationOptions
) => {
  const margin = Duration.toMillis(options.refuseTokensExpiringWithin ?? Duration.zero)
  const refusal = invalidAccessToken(options.invalidTokenStatus ?? 401)

  return Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const token = /^Bearer +(\S+)$/i.exec(request.headers["authorization"] ?? "")?.[1]
    if (token === undefined) return yield* credentialMissing

    const workspaceId = yield* workspaces.ofRequest
    const pat = yield* principals.byPat(token)
    if (pat !== undefined) return yield* member(pat.principal, workspaceId)

    const issued = yield* tokens.find(token)
    if (issued === undefined) return yield* refusal
    if (issued.expiresAt - (yield* Clock.currentTimeMillis) <= margin) return yield* tokenAboutToExpire
    return yield* member(yield* Effect.mapError(principals.find(issued.principal), () => refusal), workspaceId)
  })
}

const member = (principal: Principal, workspaceId: string) =>
  principal.inWorkspace && (principal.workspaces?.includes(workspaceId) ?? true)
    ? Effect.succeed<Caller>({ principal, workspaceId })
    : Effect.fail(notInWorkspace(principal.name))

export type Authentication = ReturnType<typeof make>
