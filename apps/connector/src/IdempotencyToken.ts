/**
 * The token by which Databricks tells a submit that is repeated from a second one. Flyte creates an attempt again when
 * it did not hear the first answer, and sometimes when it did.
 */
import { createHash } from "node:crypto"

/**
 * An attempt at a task: what Flyte never uses twice.
 */
export interface Attempt {
  readonly org: string
  readonly project: string
  readonly domain: string
  readonly execution: string
  readonly node: string
  readonly task: string
  readonly retryAttempt: number
}

/**
 * The token of an attempt: 64 characters, as many as Databricks takes. Inputs are no part of it, since their order is
 * random in Flyte 2; JSON keeps the parts apart whatever is in them.
 */
export const idempotencyToken = (attempt: Attempt): string =>
  createHash("sha256")
    .update(
      JSON.stringify([
        attempt.org,
        attempt.project,
        attempt.domain,
        attempt.execution,
        attempt.node,
        attempt.task,
        attempt.retryAttempt
      ])
    )
    .digest("hex")
