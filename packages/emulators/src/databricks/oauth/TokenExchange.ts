/**
 * The token exchange grant (RFC 8693): a JWT of another issuer, by the federation policy that takes it. A refusal is in
 * the service's words; what was really wrong is kept beside it.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Jose from "jose"
import type { FederationPolicies, FederationPolicy } from "../federation/FederationPolicies.ts"
import type { IssuerKeys } from "../federation/IssuerKeys.ts"
import type { Principals } from "../Principals.ts"
import type { Grant, TokenRequest } from "./Grant.ts"
import {
  because,
  invalidClient,
  invalidGrant,
  invalidRequest,
  type OAuthError,
  tokenAudienceInvalid,
  tokenInvalid
} from "./OAuthError.ts"

const subjectTokenType = "urn:ietf:params:oauth:token-type:jwt"

/** How far the clocks of issuer and workspace may be apart. */
const clockSkewSeconds = 60

const invalidToken = invalidGrant("The subject token is invalid")

/** What the token says against what the policy asks for; `undefined` when they agree. */
const mismatch = (policy: FederationPolicy, claims: Jose.JWTPayload): string | undefined => {
  if (claims.iss !== policy.issuer) return `iss is "${claims.iss}", not "${policy.issuer}"`
  const audiences = [claims.aud ?? []].flat()
  if (!audiences.some((audience) => policy.audiences.includes(audience))) {
    return `aud is ${JSON.stringify(audiences)}, none of ${JSON.stringify(policy.audiences)}`
  }
  const subject = claims[policy.subjectClaim]
  if (typeof subject !== "string") return `the claim ${policy.subjectClaim} is not text`
  return policy.subject === undefined || subject === policy.subject
    ? undefined
    : `${policy.subjectClaim} is "${subject}", not "${policy.subject}"`
}

/** What a policy would say that takes the token. */
const wordsOf = ({ aud, iss = "", sub = "" }: Jose.JWTPayload) => ({
  issuer: iss,
  subject: sub,
  audience: [aud ?? []].flat().join(", ")
})

const readToken = Effect.fnUntraced(function* ({ client, parameters }: TokenRequest) {
  if (parameters.has("return_original_token_if_authenticated")) {
    return yield* invalidRequest(
      "Parameter 'return_original_token_if_authenticated' is refused here: it makes the wrong identity out of a refusal"
    )
  }
  if (client !== undefined) {
    return yield* because(invalidClient, "the client logged in with a secret, but a token exchange has none")
  }
  if (parameters.get("subject_token_type") !== subjectTokenType) {
    return yield* invalidRequest(`Parameter 'subject_token_type' must be '${subjectTokenType}'`)
  }
  const token = parameters.get("subject_token")
  if (token === undefined) return yield* invalidRequest("Parameter 'subject_token' is required")
  const claims = yield* Effect.try({
    try: () => Jose.decodeJwt(token),
    catch: () => because(invalidRequest("The subject token is malformed"), "the subject token is not a JWT")
  })
  return { token, claims }
})

/** Makes the grant over the workspace's federation policies. */
export const make = (options: {
  readonly policies: FederationPolicies
  readonly keys: IssuerKeys
  readonly principals: Principals
  /** The status of a refusal: sources differ on it. */
  readonly refusedStatus: 400 | 401
}): Grant => {
  const { keys, policies, principals, refusedStatus } = options

  /** The policies that speak of this client and this token. */
  const matching = Effect.fnUntraced(function* (claims: Jose.JWTPayload, clientId: string | undefined) {
    const candidates = yield* policies.of(clientId)
    const none = tokenInvalid(refusedStatus, wordsOf(claims))
    if (candidates.length === 0) {
      if (clientId === undefined) {
        return yield* because(none, "there is no account-wide policy, and without one a client_id is required")
      }
      const problem = principals.has(clientId) ? "has no federation policy" : "does not exist"
      return yield* because(none, `the service principal "${clientId}" ${problem}`)
    }
    const problems = candidates.map((policy) => ({ policy, problem: mismatch(policy, claims) }))
    const found = problems.filter(({ problem }) => problem === undefined).map(({ policy }) => policy)
    if (found.length > 0) return found
    const reasons = problems.map(({ policy, problem }) => `${policy.id}: ${problem}`)
    const accountWide = (yield* policies.of(undefined)).some((policy) => mismatch(policy, claims) === undefined)
    if (clientId !== undefined && accountWide)
      reasons.push("an account-wide policy matches, but without client_id only")
    const near = candidates.find((policy) => mismatch(policy, { ...claims, aud: [...policy.audiences] }) === undefined)
    const { audience, ...words } = wordsOf(claims)
    const error =
      near === undefined
        ? none
        : tokenAudienceInvalid(refusedStatus, audience, { ...words, audience: near.audiences.join(", ") })
    return yield* because(error, reasons.join("; "))
  })

  /** Who signed the token, and when it is good. */
  const verify = Effect.fnUntraced(function* (policy: FederationPolicy, token: string) {
    const keySet = yield* keys
      .of(policy)
      .pipe(
        Effect.mapError(({ problem }) =>
          because(invalidRequest("The issuer's keys could not be fetched"), `${policy.id}: ${problem}`)
        )
      )
    const currentDate = new Date(yield* Clock.currentTimeMillis)
    const verified = yield* Effect.tryPromise({
      try: () =>
        Jose.jwtVerify(token, keySet, {
          algorithms: ["RS256", "ES256"],
          clockTolerance: clockSkewSeconds,
          currentDate,
          requiredClaims: ["exp"]
        }),
      catch: (error) => because(invalidToken, `${policy.id}: ${String(error)}`)
    })
    return { policy, claims: verified.payload }
  })

  return {
    grantType: "urn:ietf:params:oauth:grant-type:token-exchange",
    grant: Effect.fnUntraced(function* (request): Effect.fn.Return<
      { readonly principal: string; readonly notLongerThan: Duration.Duration },
      OAuthError
    > {
      const { claims: unverified, token } = yield* readToken(request)
      const found = yield* matching(unverified, request.parameters.get("client_id"))
      const { claims, policy } = yield* Effect.firstSuccessOf(found.map((policy) => verify(policy, token)))

      const name = policy.servicePrincipal ?? `${claims[policy.subjectClaim]}`
      const principal = yield* Effect.option(principals.find(name))
      if (Option.isNone(principal)) {
        return yield* because(invalidClient, `${policy.id}: no principal is called "${name}"`)
      }
      const remaining = (claims.exp ?? 0) * 1000 - (yield* Clock.currentTimeMillis)
      // A JWT that ended within the allowed clock skew still gives a token, for a second.
      return { principal: name, notLongerThan: Duration.millis(Math.max(remaining, 1000)) }
    })
  }
}
