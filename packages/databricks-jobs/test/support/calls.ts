/** Calls of the client, as one identity, on answers that are made up; and why they fail. */
import { assert } from "@effect/vitest"
import type { AuthError } from "@flyte-databricks/databricks-auth/AuthError"
import type { JobsClient } from "@flyte-databricks/databricks-jobs/JobsClient"
import type { JobsError } from "@flyte-databricks/databricks-jobs/JobsError"
import { RunId } from "@flyte-databricks/databricks-jobs/RunId"
import { Effect } from "effect"
import { inspect } from "node:util"
import { type Answering, clientAnswered, nextSecret, secret } from "./answers.ts"
import { credentialAt } from "./headers.ts"

export const instance = "dbc-a1b2.cloud.databricks.com"
export const as = credentialAt(instance)
export const runId = RunId.make("9007199254740993")

export type Call = (jobs: JobsClient["Service"]) => Effect.Effect<unknown, JobsError | AuthError>
export const submit: Call = (jobs) => jobs.submit(as, {}, "token")
export const get: Call = (jobs) => jobs.get(as, runId)
export const cancel: Call = (jobs) => jobs.cancel(as, runId)

/** How a call fails. Wherever the error may be shown, no token is in it. */
export const errorOf = Effect.fnUntraced(function* (answering: Answering, call: Call = get) {
  const { jobs } = yield* clientAnswered(answering)
  const error = yield* Effect.flip(call(jobs))
  assert(error._tag === "JobsError")
  for (const shown of [error.message, String(error), JSON.stringify(error), inspect(error, { depth: 9 })]) {
    for (const token of [secret, nextSecret]) assert.notInclude(shown, token)
  }
  return error
})

/** Why a call fails. */
export const reasonOf = (answering: Answering, call: Call = get) =>
  Effect.map(errorOf(answering, call), ({ reason }) => reason)
