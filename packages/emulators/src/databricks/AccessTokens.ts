/**
 * The OAuth access tokens that the token endpoint has given out: opaque, and no longer good once Effect's `Clock` says so.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import { hex } from "../internal/randomText.ts"

interface IssuedToken {
  readonly principal: string
  readonly expiresAt: number
}

/** What access tokens look like: text that says nothing, or the JWT that the service gives, whose `sub` is the principal. */
export interface AccessTokensOptions {
  readonly accessTokens?: "opaque" | "jwt" | undefined
}

/** Makes an empty store of tokens. */
export const make = ({ accessTokens = "opaque" }: AccessTokensOptions = {}) => {
  const tokens = new Map<string, IssuedToken>()

  const forgetExpired = (now: number) => {
    for (const [token, { expiresAt }] of tokens) if (expiresAt <= now) tokens.delete(token)
  }
  let nextSweep = 1024

  const issue = Effect.fnUntraced(function* (principal: string, lifetime: Duration.Duration) {
    const now = yield* Clock.currentTimeMillis
    if (tokens.size >= nextSweep) {
      forgetExpired(now)
      nextSweep = Math.max(1024, tokens.size * 2)
    }
    const expiresAt = now + Duration.toMillis(lifetime)
    const claims = { sub: principal, client_id: principal, scope: "all-apis", exp: Math.floor(expiresAt / 1000) }
    const token =
      accessTokens === "opaque"
        ? `eoat-${yield* hex(64)}`
        : `${part({ alg: "RS256", typ: "at+jwt" })}.${part(claims)}.${yield* hex(64)}`
    tokens.set(token, { principal, expiresAt })
    return token
  })

  return {
    issue,
    /** The token, if it was given out, has not expired and was not revoked. */
    find: (token: string) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const found = tokens.get(token)
        return found !== undefined && now < found.expiresAt ? found : undefined
      }),
    /** Revokes all tokens, or those of one principal; says how many. */
    revoke: (principal?: string) =>
      Effect.sync(() => {
        let revoked = 0
        for (const [token, issued] of tokens) {
          if (principal === undefined || issued.principal === principal) {
            tokens.delete(token)
            revoked++
          }
        }
        return revoked
      })
  }
}

const part = (value: unknown) => Base64Url.encode(JSON.stringify(value))

export type AccessTokens = ReturnType<typeof make>
