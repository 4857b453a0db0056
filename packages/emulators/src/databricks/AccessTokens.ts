/**
 * The OAuth access tokens that the token endpoint has given out: opaque, and no longer good once Effect's `Clock` says so.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { hex } from "../internal/randomText.ts"

interface IssuedToken {
  readonly principal: string
  readonly expiresAt: number
}

/** Makes an empty store of tokens. */
export const make = () => {
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
    const token = `eoat-${yield* hex(64)}`
    tokens.set(token, { principal, expiresAt: now + Duration.toMillis(lifetime) })
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

export type AccessTokens = ReturnType<typeof make>
