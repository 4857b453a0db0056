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

const parts = ({ org, project, domain, execution, node, task }: Attempt) => [
  org,
  project,
  domain,
  execution,
  node,
  task
]

// JSON keeps the parts apart whatever is in them.
const digest = (values: ReadonlyArray<string | number>): string =>
  createHash("sha256").update(JSON.stringify(values)).digest("hex")

/**
 * The token of an attempt: 64 characters, as many as Databricks takes. Inputs are no part of it, since their order is
 * random in Flyte 2. An attempt whose run the connector has cancelled itself needs another token, or it would be given
 * that run again: `cancelled` says how many there were.
 */
export const idempotencyToken = (attempt: Attempt, cancelled = 0): string =>
  digest([...parts(attempt), attempt.retryAttempt, ...(cancelled === 0 ? [] : [cancelled])])

/**
 * What all attempts at a task have in common.
 */
export const taskKey = (attempt: Attempt): string => digest(parts(attempt))
