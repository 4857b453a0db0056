/**
 * What the boundary hands out: who a call to Databricks is made as, and the header that it carries.
 */
import type * as Redacted from "effect/Redacted"
import type { Identity } from "./Identity.ts"

/**
 * What a call to Databricks carries. It stays `Redacted` until the request is built.
 */
export interface AuthHeader {
  /** The whole value, `Bearer <token>`. */
  readonly authorization: Redacted.Redacted<string>
}

/**
 * What a token is for: an identity and, where a token came with the run instead of being looked up, that token.
 */
export interface Credential<out I extends Identity = Identity> {
  /** Who. */
  readonly identity: I
  /** The token that came with the run, in place of one that is looked up. */
  readonly storedToken?: Redacted.Redacted<string>
}
