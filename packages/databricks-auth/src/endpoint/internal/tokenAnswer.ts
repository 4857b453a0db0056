/**
 * What a token endpoint's answer says: a token (RFC 6749 §5.1), a refusal (§5.2), or neither.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Headers from "effect/http/Headers"
import { AuthError, ExchangeRefused, TokenRefused, TokenResponseInvalid } from "../../AuthError.ts"
import type { Token } from "../Token.ts"
import { describeBody, describeRedirect, isRedirect, requestId } from "../../http/Answer.ts"
import type { BodyTooLarge } from "../../http/BoundedBody.ts"
import { printable } from "../../http/ForeignText.ts"
import { type Description, expiry } from "../../Jwt.ts"
import { fitsHeader } from "../../internal/bearer.ts"
import { shown } from "../../internal/settings.ts"

/** An answer that is final: no retry would change it. */
export interface Answer {
  readonly status: number
  readonly body: string | BodyTooLarge
  readonly headers: Headers.Headers
}

/** What was asked, as far as errors need it. */
export interface Asked {
  readonly instance: string
  readonly endpoint: string
  readonly clientId: string
  readonly source: string
  readonly remedy?: string | undefined
  readonly isTaskClient?: boolean | undefined
  /** The client secret or the JWT: a server may send back what it was sent. */
  readonly secret: Redacted.Redacted<string>
  /** What the JWT says, where there is one. */
  readonly jwt: Option.Option<Description>
}

// What Databricks says of a JWT holds the policy that would let it in, with the audience last.
const maxDescription = 1000

// RFC 6749 §5.1 says the lifetime should be there; where it is not, a short one costs little and is never too long.
const lifetimeUnsaid = 300

const Grant = Schema.Struct({
  access_token: Schema.RedactedFromValue(Schema.NonEmptyString),
  token_type: Schema.optionalKey(Schema.String),
  expires_in: Schema.optionalKey(
    Schema.Union([Schema.Finite, Schema.FiniteFromString]).check(Schema.isGreaterThan(0), Schema.isLessThan(1e9))
  )
})

// Front ends are loose with the types, and a code that is a number must not hide that the answer is a refusal.
const text = Schema.optionalKey(Schema.Unknown)

// OAuth's own words, then the two older styles that Databricks' front ends answer with.
// Stryker disable next-line ObjectLiteral: the fields are for the type alone, since a struct of none lets all through
const Refusal = Schema.Struct({
  error: text,
  error_description: text,
  error_id: text,
  errorCode: text,
  errorSummary: text,
  error_code: text,
  message: text
})

const parseJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))
const decodeGrant = Schema.decodeUnknownOption(Grant)
const decodeRefusal = Schema.decodeUnknownOption(Refusal)

/**
 * Reads a final answer.
 */
export const readAnswer = Effect.fnUntraced(function* (
  { status, body, headers }: Answer,
  asked: Asked
): Effect.fn.Return<Token, AuthError> {
  const invalid = (problem: string) =>
    new AuthError({ reason: new TokenResponseInvalid({ endpoint: asked.endpoint, status, problem }) })

  if (typeof body !== "string") return yield* invalid(body.message)
  if (isRedirect(status)) return yield* invalid(describeRedirect(headers))

  const json = parseJson(body)
  const refusal = Option.filter(Option.flatMap(json, decodeRefusal), isRefusal)
  if (Option.isSome(refusal)) return yield* refused(refusal.value, status, headers, asked)
  const problem = Option.isSome(json) ? "the body names no OAuth error" : describeBody(body)
  // A front end may say no to a JWT without saying why.
  if (Option.isSome(asked.jwt) && (status === 400 || status === 401)) {
    return yield* refused({ error: "unexplained", error_description: problem }, status, headers, asked)
  }
  if (Option.isNone(json) || status !== 200) return yield* invalid(problem)

  const grant = decodeGrant(json.value)
  if (Option.isNone(grant)) return yield* invalid("the body is JSON without a usable access_token and expires_in")
  const { access_token, token_type, expires_in } = grant.value
  if (token_type !== undefined && token_type.toLowerCase() !== "bearer")
    return yield* invalid("the token is not a bearer token")
  if (!fitsHeader(Redacted.value(access_token)))
    return yield* invalid("the access_token has characters, or so many of them, that no header may carry")
  const id = requestId(headers)
  return {
    value: access_token,
    lifetime: Duration.seconds(expires_in ?? lifetimeUnsaid),
    builtFrom: asked.secret,
    ...(id === undefined ? {} : { requestId: id })
  }
})

const refused = (said: typeof Refusal.Type, status: number, headers: Headers.Headers, asked: Asked): AuthError => {
  const description = firstSaid(said.error_description, said.errorSummary, said.message)
  const errorId = firstSaid(said.error_id, requestId(headers))
  const fields = {
    endpoint: asked.endpoint,
    clientId: asked.clientId,
    source: asked.source,
    ...(asked.remedy === undefined ? {} : { remedy: asked.remedy }),
    status,
    error: clean(errorOf(said)),
    ...(description === "" ? {} : { description: clean(description, maxDescription) }),
    ...(errorId === "" ? {} : { errorId: clean(errorId) })
  }
  return new AuthError({
    reason: Option.match(asked.jwt, {
      onNone: () => new TokenRefused(fields),
      onSome: (jwt) => new ExchangeRefused({ ...fields, ...stated(jwt) })
    })
  })
}

// The longest subject that Kubernetes makes has some 350 characters.
const claim = (value: string): string => shown(value, 500)

const stated = ({ claims, header: { kid } }: Description) => {
  const expires = expiry(claims)
  return {
    audiences: claims.audiences.map(claim),
    ...(claims.iss === undefined ? {} : { issuer: claim(claims.iss) }),
    ...(claims.sub === undefined ? {} : { subject: claim(claims.sub) }),
    ...(Option.isNone(expires) ? {} : { expires: expires.value }),
    ...(kid === undefined ? {} : { keyId: claim(kid) })
  }
}

const errorOf = (body: typeof Refusal.Type): string => firstSaid(body.error, body.error_code, body.errorCode)

const isRefusal = (body: typeof Refusal.Type): boolean => errorOf(body) !== ""

const firstSaid = (...values: ReadonlyArray<unknown>): string =>
  values
    .map((value) => (Predicate.isString(value) ? value : value == null ? "" : asJson(value)))
    .find((value) => value !== "") ?? ""

// It is written by a function that calls itself for each level, and would use up the stack.
const asJson = (value: unknown): string =>
  Result.getOrElse(
    Result.try(() => JSON.stringify(value)),
    () => "(nested too deep to be repeated)"
  )

/**
 * Foreign text as an error may repeat it.
 */
const clean = (text: string, maxLength = 300): string => printable(text, { maxLength })
