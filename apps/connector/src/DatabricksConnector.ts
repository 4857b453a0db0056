/**
 * Create, get and delete, in words that both versions of Flyte share. Who the task is, is decided once, in `create`;
 * `get` and `delete` go by what the job's metadata recorded.
 */
import {
  AuthError,
  DatabricksAuth,
  type Identity,
  type TokenCache,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import {
  JobMetadata,
  JobsClient,
  type JobsError,
  JobSpec,
  type RunId,
  RunState
} from "@flyte-databricks/databricks-jobs"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Call from "./Call.ts"
import { ConnectorError, TaskTypeUnknown } from "./ConnectorError.ts"
import { type Attempt, idempotencyToken } from "./IdempotencyToken.ts"

/** The name that Flyte shows. */
export const connectorName = "Databricks Connector"

/** The task types of Flyte's own connector, all of version 0. */
export const taskTypes: ReadonlyArray<string> = ["spark", "databricks"]

/**
 * A task to be run.
 */
export interface Task {
  readonly taskType: string
  readonly custom: unknown
  readonly container: JobSpec.Container | undefined
  readonly namespace: string
  readonly attempt: Attempt
}

/**
 * How a run is doing.
 */
export interface RunReport extends RunState.PhaseReport {
  /** The run's page in the workspace. */
  readonly link: Option.Option<string>
}

/**
 * Everything that a call can fail with.
 */
export type Failure = AuthError.AuthError | JobsError.JobsError | ConnectorError

/**
 * What Flyte asks of a connector.
 */
export class DatabricksConnector extends Context.Service<
  DatabricksConnector,
  {
    /** Submits the task; the answer is what Flyte keeps of the run. */
    readonly create: (task: Task) => Effect.Effect<Uint8Array, Failure>
    readonly get: (taskType: string, resourceMeta: Uint8Array) => Effect.Effect<RunReport, Failure>
    readonly delete: (taskType: string, resourceMeta: Uint8Array) => Effect.Effect<void, Failure>
  }
>()("@flyte-databricks/connector/DatabricksConnector") {}

const serviceCredentialProvider = Config.option(Config.String("FLYTE_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER")).pipe(
  Config.map((given) =>
    Option.filter(
      Option.map(given, (value) => value.trim()),
      (value) => value !== ""
    )
  )
)

export const layer: Layer.Layer<
  DatabricksConnector,
  Config.ConfigError,
  DatabricksAuth.DatabricksAuth | JobsClient.JobsClient
> = Layer.effect(
  DatabricksConnector,
  Effect.gen(function* () {
    const auth = yield* DatabricksAuth.DatabricksAuth
    const jobs = yield* JobsClient.JobsClient
    const provider = yield* serviceCredentialProvider

    // Cached for the call that needs it. Asked for by itself so that, should the deadline come first, the caller hears
    // which of the two was slow.
    const readyToken = (credential: TokenCache.Credential) =>
      auth
        .getHeader(credential)
        .pipe(Call.waitFor(`a token of ${credential.identity.principal} for ${credential.identity.instance}`))

    const create = Effect.fn("DatabricksConnector.create")(function* (task: Task) {
      yield* serves(task.taskType)
      const { org, project, domain, execution } = task.attempt
      yield* Call.note({ namespace: task.namespace, execution: `${project}:${domain}:${execution}` })
      const body = yield* Effect.fromResult(
        JobSpec.make({ custom: task.custom, container: task.container, serviceCredentialProvider: provider })
      )
      const resolved = yield* auth
        .resolve({ namespace: task.namespace, project, domain, org, custom: task.custom })
        .pipe(Call.waitFor("an identity"))
      yield* noteIdentity(resolved.identity)
      yield* Effect.logDebug(`Identity chosen from:\n${AuthError.describeFindings(resolved.explanation)}`)

      const credential = { identity: resolved.identity }
      yield* readyToken(credential)
      const runId = yield* jobs
        .submit(credential, body, idempotencyToken(task.attempt))
        .pipe(Call.waitFor(`${resolved.identity.instance} to take the job`))
      yield* Call.note({ runId })
      const recorded = yield* auth.record(resolved)
      return yield* Effect.fromResult(JobMetadata.encode(new JobMetadata.JobMetadata({ ...recorded, runId })))
    })

    const recall = Effect.fnUntraced(function* (taskType: string, resourceMeta: Uint8Array) {
      yield* serves(taskType)
      const metadata = yield* Effect.fromResult(JobMetadata.decode(resourceMeta))
      yield* Call.note({
        runId: metadata.runId,
        ...(Option.isSome(metadata.namespace) ? { namespace: metadata.namespace.value } : {})
      })
      const credential = yield* auth.recall(metadata)
      yield* noteIdentity(credential.identity)
      yield* readyToken(credential)
      return { credential, runId: metadata.runId }
    })

    const get = Effect.fn("DatabricksConnector.get")(function* (taskType: string, resourceMeta: Uint8Array) {
      const { credential, runId } = yield* recall(taskType, resourceMeta)
      const run = yield* jobs
        .get(credential, runId)
        .pipe(Call.waitFor(`${credential.identity.instance} to say how run ${runId} is doing`))
      const report = RunState.toPhaseReport(run)
      yield* Call.note({ phase: report.phase })
      return { ...report, link: consoleLink(credential.identity.instance, runId, run) }
    })

    const cancel = Effect.fn("DatabricksConnector.delete")(function* (taskType: string, resourceMeta: Uint8Array) {
      const { credential, runId } = yield* recall(taskType, resourceMeta)
      yield* jobs.cancel(credential, runId).pipe(
        Call.waitFor(`${credential.identity.instance} to cancel run ${runId}`),
        // There is nothing left to cancel, and Flyte would ask again for ever.
        Effect.catchReason("JobsError", "RunNotFound", () => Effect.void)
      )
    })

    return DatabricksConnector.of({ create, get, delete: cancel })
  })
)

const serves = Effect.fnUntraced(function* (taskType: string): Effect.fn.Return<void, ConnectorError> {
  yield* Call.note({ taskType })
  if (!taskTypes.includes(taskType)) {
    yield* new ConnectorError({ reason: new TaskTypeUnknown({ taskType: taskType.slice(0, 100), served: taskTypes }) })
  }
})

const consoleLink = (instance: WorkspaceHost.WorkspaceHost, runId: RunId.RunId, run: JobsClient.Run) =>
  Option.map(
    Option.fromNullishOr(run.job_id),
    (jobId) => `${WorkspaceHost.baseUrl(instance)}/#job/${jobId}/run/${runId}`
  )

const noteIdentity = (identity: Identity.Identity): Effect.Effect<void> =>
  Call.note({
    instance: identity.instance,
    authType: identity.authType,
    identity: identity.principal,
    origin: identity.source
  })
