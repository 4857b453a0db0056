/**
 * Who is told of each token that was given or refused, whether a caller waited for it or it was renewed in the background.
 * By default nobody is.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { AuthError } from "./AuthError.ts"
import type { Identity } from "./Identity.ts"
import type { Description } from "./Jwt.ts"

/** A token that Databricks gave. A PAT is nobody's to give. */
export interface Issued {
  /** Whose token it is. */
  readonly identity: Identity
  /** How long it lasts from when it was asked for, in milliseconds. */
  readonly lifetimeMillis: number
  /** What the JWT says that it was exchanged for. */
  readonly jwt?: Description
  /** The id that Databricks gave the request. */
  readonly requestId?: string
}

/** There is no token, and the next try will be refused too: what may pass is no refusal. */
export interface Refused {
  /** Who got none. */
  readonly identity: Identity
  /** Why. It is not `retryable`. */
  readonly error: AuthError
}

/** Told before a caller has the token; it neither fails nor takes its time. */
export interface Observer {
  /** A token was given. */
  readonly issued: (token: Issued) => Effect.Effect<void>
  /** A token was refused. */
  readonly refused: (refusal: Refused) => Effect.Effect<void>
}

/** Read when the layer of the boundary is built. */
export const TokenObserver = Context.Reference<Observer>("@flyte-databricks/databricks-auth/TokenObserver", {
  defaultValue: () => ({ issued: () => Effect.void, refused: () => Effect.void })
})
