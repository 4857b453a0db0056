/**
 * A bearer token, and how it is asked for.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { Description } from "../Jwt.ts"

/**
 * A bearer token, how long it lasts, and what it was built from.
 */
export interface Token {
  /** The token itself, without `Bearer`. */
  readonly value: Redacted.Redacted<string>
  /** How long it lasts from when it was asked for. */
  readonly lifetime: Duration.Duration
  /** The secret or JWT that it was given for: another one there means another token. */
  readonly builtFrom: Redacted.Redacted<string>
  /** What the JWT says that it was exchanged for, for whoever keeps a record. */
  readonly jwt?: Description
  /** The id that Databricks gave the request, for the same. */
  readonly requestId?: string
}

/**
 * How it goes with a token that is not there yet.
 */
export interface Progress {
  /** The URL that is asked. */
  readonly endpoint: string
  /** How many requests have been sent. */
  readonly attempts: number
  /** What the last of those came to that have failed; none while there is only silence. */
  readonly lastAnswer: string | undefined
}

/**
 * How a token is asked for.
 */
export interface Tries {
  /** Somebody waits for it: what may pass is tried again. Otherwise one try is enough, since another is made later. */
  readonly isWaitedFor: boolean
  /** Told of each request that is sent, and of each that failed. */
  readonly onProgress: (progress: Progress) => Effect.Effect<void>
}
