/**
 * A bearer token, and how it is asked for.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"

/**
 * A bearer token, how long it lasts, and what it was built from.
 */
export interface Token {
  readonly value: Redacted.Redacted<string>
  readonly lifetime: Duration.Duration
  readonly builtFrom: Redacted.Redacted<string>
}

/**
 * The number of tries so far, all of which failed, and the answer to the last.
 */
export interface FailedTries {
  readonly attempts: number
  readonly lastAnswer: string
}

export interface Tries {
  /** Somebody waits for it: what may pass is tried again. Otherwise one try is enough, since another is made later. */
  readonly isWaitedFor: boolean
  /** Told of each try that failed. */
  readonly onFailure: (tries: FailedTries) => Effect.Effect<void>
}
