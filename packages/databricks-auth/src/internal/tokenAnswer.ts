/**
 * What a token endpoint's answer says: a token (RFC 6749 §5.1), a refusal (§5.2), or neither.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Headers from "effect/http/Headers"
import { AuthError, TokenRefused, TokenResponseInvalid } from "../AuthError.ts"
import type { Token } from "../AuthMode.ts"
import type { BodyTooLarge } from "../BoundedBody.ts"

/** An answer that is final: no retry would change it. */
export interface Answer {
  readonly status: number
  readonly body: string | BodyTooLarge
  readonly headers: Headers.Headers
}

/** What was asked, as far as errors need it. */
export interface Asked {
  readonly endpoint: string
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted<string>
  readonly source: string
}

// RFC 6749 §5.1 says the lifetime should be there; where it is not, a short one costs little and is never too long.
const lifetimeUnsaid = 300

const Grant = Schema.Struct({
  access_token: Schema.RedactedFromValue(Schema.NonEmptyString),
  token_type: Schema.optionalKey(Schema.String),
  expires_in: Schema.optionalKey(
    Schema.Union([Schema.Finite, Schema.FiniteFromString]).check(Schema.isGreaterThan(0), Schema.isLessThan(1e9))
  )
})

const text = Schema.optional(Schema.NullOr(Schema.String))

// OAuth's own words, then the two older styles that Databricks' front ends answer with.
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
  if (status >= 300 && status < 400) return yield* invalid("it is a redirect, which is not followed with credentials")

  const json = parseJson(body)
  const refusal = Option.filter(Option.flatMap(json, decodeRefusal), isRefusal)
  if (Option.isSome(refusal)) {
    const { error, error_code, errorCode, error_description, errorSummary, message, error_id } = refusal.value
    const description = error_description ?? errorSummary ?? message
    const errorId = error_id ?? headers["x-request-id"] ?? headers["x-databricks-request-id"]
    return yield* new AuthError({
      reason: new TokenRefused({
        endpoint: asked.endpoint,
        clientId: asked.clientId,
        source: asked.source,
        status,
        error: clean(error ?? error_code ?? errorCode ?? "", asked),
        ...(description ? { description: clean(description, asked) } : {}),
        ...(errorId ? { errorId: clean(errorId, asked) } : {})
      })
    })
  }
  if (Option.isNone(json)) {
    return yield* invalid(body.trim() === "" ? "the body is empty" : `the body is ${kindOf(body)}, not JSON`)
  }
  if (status !== 200) return yield* invalid("the body names no OAuth error")

  const grant = decodeGrant(json.value)
  if (Option.isNone(grant)) return yield* invalid("the body is JSON without a usable access_token and expires_in")
  const { access_token, token_type, expires_in } = grant.value
  if (token_type !== undefined && token_type.toLowerCase() !== "bearer") return yield* invalid("the token is not a bearer token")
  if (!/^[\x21-\x7e]+$/.test(Redacted.value(access_token))) return yield* invalid("the access_token has characters that no header may carry")
  return {
    value: access_token,
    lifetime: Duration.seconds(expires_in ?? lifetimeUnsaid),
    builtFrom: asked.clientSecret
  }
})

const isRefusal = (body: typeof Refusal.Type): boolean => Boolean(body.error ?? body.error_code ?? body.errorCode)

const kindOf = (body: string): string => (/^\s*<(!doctype|html)/i.test(body) ? "an HTML page" : "text")

// A server may repeat what it was sent. One line, cut, and without our secret.
const clean = (value: string, { clientSecret }: Asked): string =>
  value
    .replaceAll(Redacted.value(clientSecret), "<redacted>")
    .replaceAll(/[\s\x00-\x1f\x7f]+/g, " ")
    .slice(0, 300)
