/**
 * A run as Flyte sends it back: what the job's metadata says of it, and the identity that it is pinned to.
 */
import type { Connection, DatabricksAuth, Identity, Credential } from "@flyte-databricks/databricks-auth"
import { JobMetadata, type Run } from "@flyte-databricks/databricks-jobs"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as Call from "../call/Call.ts"
import type { Facts } from "../call/Ended.ts"
import type { MetadataKey } from "./MetadataKey.ts"

/**
 * Reads the metadata of a run. Where it has to be signed, nothing of it is believed before it is known to be.
 */
export const read = Effect.fnUntraced(function* (key: MetadataKey["Service"], resourceMeta: Uint8Array) {
  const metadata = yield* Effect.fromResult(JobMetadata.decode(yield* key.open(resourceMeta)))
  const { runId, namespace } = metadata
  yield* Call.note({ runId, ...(Option.isSome(namespace) ? { namespace: namespace.value } : {}) })
  return metadata
})

/**
 * The identity that the run was submitted as. Nothing is resolved again.
 */
export const recall = (
  auth: DatabricksAuth.DatabricksAuth["Service"],
  metadata: JobMetadata.JobMetadata,
  connection: Connection.Connection | undefined
) => Effect.tap(auth.recall(metadata, connection), ({ identity }) => Call.note(factsOf(identity)))

/**
 * Who a run is, as the log line of a call says it.
 */
export const factsOf = (identity: Identity.Identity): Facts => ({
  instance: identity.instance,
  authType: identity.authType,
  identity: identity.principal,
  origin: identity.source
})

/**
 * What Databricks says of who made a run, and whom it runs as: `run_as` of a task may be somebody else.
 */
export const factsOfRun = ({ creator_user_name: creator, run_as_user_name: runAs }: Run.Run): Facts => ({
  ...(creator ? { creator } : {}),
  ...(runAs ? { runAs } : {})
})

/**
 * Whom a job asks to run as, where it asks.
 */
export const runAsOf = ({ run_as: asked }: Schema.JsonObject): string | undefined =>
  Predicate.isObject(asked)
    ? ["service_principal_name", "user_name", "group_name"].map((key) => asked[key]).find(Predicate.isString)
    : undefined

/**
 * The header for the call that needs it. Asked for by itself so that, should the deadline come first, the caller hears
 * which of the two was slow.
 */
export const header = (auth: DatabricksAuth.DatabricksAuth["Service"], credential: Credential.Credential) => {
  const { instance, principal } = credential.identity
  const token = `a token of ${principal} for ${instance}`
  // Who waits may have come late, to a fetch that others began.
  const soFar = Effect.map(
    auth.progress(credential),
    Option.match({
      onNone: () => token,
      onSome: ({ endpoint, attempts, lastAnswer }) =>
        `${token}: ${endpoint} was asked ${attempts === 1 ? "once" : `${attempts} times`}` +
        (lastAnswer === undefined ? " and has not answered" : `; the last answer: ${lastAnswer}`)
    })
  )
  return auth.getHeader(credential).pipe(Call.waitFor(soFar))
}
