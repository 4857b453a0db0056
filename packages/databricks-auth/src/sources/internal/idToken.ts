/**
 * What every source of ID tokens asks of a text before it is taken for one.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AuthError } from "../../AuthError.ts"
import * as Jwt from "../../Jwt.ts"

/** How many bytes or characters an ID token may have. A projected one has some 1 KB; what is this large is something else. */
export const maxIdToken = 64 * 1024

/** The error of a source, by what is wrong with what it holds. */
type Unusable = (problem: string) => AuthError

/** Reads the text as a JWT, without the blanks around it. */
export const read = (text: string, unusable: Unusable): Effect.Effect<Jwt.Jwt, AuthError> => {
  if (text.length > maxIdToken) return Effect.fail(unusable(`has ${text.length} characters, which no JWT has`))
  const trimmed = text.trim()
  if (trimmed === "") return Effect.fail(unusable("is empty"))
  return Effect.mapError(Effect.fromOption(Jwt.parse(trimmed)), () => unusable("does not hold a JWT"))
}

/** When a token ended; none where it has not. An exchange would only be refused, in words that do not say why. */
export const ended = ({ claims }: Jwt.Jwt): Effect.Effect<Option.Option<string>> =>
  Effect.map(Clock.currentTimeMillis, (now) => (Jwt.hasExpired(claims, now) ? Jwt.expiry(claims) : Option.none()))

/** Fails where a token ended. */
export const requireUnexpired = (jwt: Jwt.Jwt, unusable: Unusable): Effect.Effect<Jwt.Jwt, AuthError> =>
  Effect.flatMap(
    ended(jwt),
    Option.match({
      onNone: () => Effect.succeed(jwt),
      onSome: (at) => Effect.fail(unusable(`holds a JWT that expired at ${at}: it is no longer rotated`))
    })
  )
