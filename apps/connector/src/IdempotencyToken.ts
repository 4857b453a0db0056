/**
 * The token by which Databricks tells a submit that is repeated from a second one. Flyte creates an attempt again when
 * it did not hear the first answer, and sometimes when it did.
 */

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

// As JSON, which keeps them apart whatever is in them.
const parts = ({ org, project, domain, execution, node, task }: Attempt) => [
  org,
  project,
  domain,
  execution,
  node,
  task
]

/**
 * What the token of an attempt is a digest of. Inputs are no part of it, since their order is random in Flyte 2. An
 * attempt whose run the connector has cancelled itself needs another token, or it would be given that run again:
 * `cancelled` says how many there were.
 */
export const textOf = (attempt: Attempt, cancelled = 0): string =>
  JSON.stringify([...parts(attempt), attempt.retryAttempt, ...(cancelled === 0 ? [] : [cancelled])])

// The same attempt is looked for several times in a create.
const keys = new WeakMap<Attempt, string>()

/**
 * What all attempts at a task have in common.
 */
export const taskKey = (attempt: Attempt): string => {
  const key = keys.get(attempt) ?? JSON.stringify(parts(attempt))
  keys.set(attempt, key)
  return key
}
