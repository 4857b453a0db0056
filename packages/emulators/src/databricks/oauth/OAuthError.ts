/**
 * Errors of the token endpoint (RFC 6749 §5.2), in the service's shape.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { uuid } from "../../internal/randomText.ts"

/** A token request that was refused. */
export class OAuthError extends Data.TaggedError("OAuthError")<{
  readonly status: number
  readonly error: string
  readonly description: string
  /** What was really wrong, where the description does not say it; not sent. */
  readonly reason?: string
}> {}

/** The same answer, with the reason kept beside it. */
export const because = ({ description, error, status }: OAuthError, reason: string) =>
  new OAuthError({ status, error, description, reason })

export const invalidClient = new OAuthError({
  status: 401,
  error: "invalid_client",
  description: "Client authentication failed"
})

export const invalidRequest = (description: string) =>
  new OAuthError({ status: 400, error: "invalid_request", description })

export const invalidGrant = (description: string) =>
  new OAuthError({ status: 400, error: "invalid_grant", description })

/** The service's words where no federation policy takes a JWT; the values are those that a policy for it would have. */
export const tokenInvalid = (status: number, policy: PolicyWords) =>
  exchangeRefused(status, "TOKEN_INVALID (Ensure a valid federation policy has been configured)", policy)

/** Its words where a policy takes the JWT but for its audience; the values are the policy's. */
export const tokenAudienceInvalid = (status: number, audience: string, policy: PolicyWords) =>
  exchangeRefused(status, `TOKEN_AUDIENCE_INVALID (Token audience '${audience}' invalid)`, policy)

/** A federation policy, as those words name one. */
export interface PolicyWords {
  readonly issuer: string
  readonly subject: string
  readonly audience: string
}

const exchangeRefused = (status: number, what: string, { audience, issuer, subject }: PolicyWords) =>
  new OAuthError({
    status,
    error: "invalid_grant",
    description:
      `Failed to process token: ${what}. Valid federation policy for provided token: ` +
      `{issuer: '${issuer}', subject: '${subject}', audience: '${audience}'}`
  })

export const invalidScope = (description: string) =>
  new OAuthError({ status: 400, error: "invalid_scope", description })

export const unsupportedGrantType = (grantType: string) =>
  new OAuthError({
    status: 400,
    error: "unsupported_grant_type",
    description: `Grant type '${grantType.slice(0, 100)}' is not supported`
  })

/** The answer, with an `error_id` that support would ask for. */
export const toResponse = (error: OAuthError) =>
  Effect.map(uuid, (errorId) =>
    HttpServerResponse.jsonUnsafe(
      { error: error.error, error_description: error.description, error_id: errorId },
      { status: error.status, headers: { "cache-control": "no-store", "x-request-id": errorId } }
    )
  )
