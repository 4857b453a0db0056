/**
 * One way to get a token: a grant type and what it takes. Each grant is a module of its own, listed where the token
 * endpoint is put together.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { OAuthError } from "./OAuthError.ts"

/** A token request, parsed. */
export interface TokenRequest {
  /** The form's parameters; none of them repeated. */
  readonly parameters: ReadonlyMap<string, string>
  /** The client's own credentials, by HTTP Basic or in the form, if it sent any. */
  readonly client: { readonly id: string; readonly secret: string } | undefined
}

/** What the token endpoint gives out a token for. */
interface Granted {
  /** The principal the token speaks for. */
  readonly principal: string
  /** It ends after this at the latest; by default when the workspace's own lifetime is over. */
  readonly notLongerThan?: Duration.Duration
}

/** A grant type of the token endpoint. */
export interface Grant {
  readonly grantType: string
  readonly grant: (request: TokenRequest) => Effect.Effect<Granted, OAuthError>
}
