/**
 * What a fetch of a token has met with so far, so that whoever waits for it can say more than that it is late.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * A try that failed: how many there were by then, and what the last one was answered.
 */
export interface Attempt {
  readonly attempts: number
  readonly lastAnswer: string
}

/**
 * Told of each try that failed, by what makes the tries. The token cache listens.
 */
export const Attempts = Context.Reference<(attempt: Attempt) => Effect.Effect<void>>(
  "@flyte-databricks/databricks-auth/endpoint/Attempts",
  { defaultValue: () => () => Effect.void }
)
