/**
 * Create, get and delete, in words that both versions of Flyte share. Who the task is, is decided once, in `create`;
 * `get` and `delete` go by what the job's metadata recorded.
 */
import {
  AuthError,
  type Connection,
  DatabricksAuth,
  type Identity,
  TaskSettings
} from "@flyte-databricks/databricks-auth"
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import { JobMetadata, JobsClient, JobSpec } from "@flyte-databricks/databricks-jobs"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Audit } from "./audit/Audit.ts"
import * as Decisions from "./audit/decisions.ts"
import type { OnBehalfOf } from "./audit/decisions.ts"
import type { Asked } from "./call/Asked.ts"
import * as Call from "./call/Call.ts"
import { ConnectorError, type Failure, MetricsUnavailable, TaskTypeUnknown } from "./call/ConnectorError.ts"
import * as Turns from "./admission/Turns.ts"
import * as Workspaces from "./runs/Workspaces.ts"
import type { Attempt } from "./IdempotencyToken.ts"
import * as Cancellation from "./runs/Cancellation.ts"
import { holdOut } from "./call/Faults.ts"
import { MetadataKey } from "./runs/MetadataKey.ts"
import * as PinnedRun from "./runs/PinnedRun.ts"
import * as LastReports from "./runs/LastReports.ts"
import * as RunFollower from "./runs/RunFollower.ts"
import * as RunLogs from "./runs/RunLogs.ts"
import * as RunReport from "./runs/RunReport.ts"
import * as StartedRuns from "./runs/StartedRuns.ts"
import * as Submissions from "./runs/Submissions.ts"
import * as Settings from "./Settings.ts"

/** The name that Flyte shows. */
export const connectorName = "Databricks Connector"

/**
 * A task to be run.
 */
export interface Task {
  readonly taskType: string
  readonly custom: unknown
  readonly container: JobSpec.Container | undefined
  /** What is run where the task does not say. */
  readonly defaults: JobSpec.Defaults
  readonly namespace: string
  readonly attempt: Attempt
  /** For whom, as the request says it. Nobody's rights go by that. */
  readonly onBehalfOf?: OnBehalfOf
  /** The secrets that the request carries; requests of Flyte 1 carry none. */
  readonly connection?: Connection.Connection
}

/**
 * What Flyte asks of a connector.
 */
export class DatabricksConnector extends Context.Service<
  DatabricksConnector,
  {
    /** Submits the task; the answer is what Flyte keeps of the run. */
    readonly create: (asked: Asked<Task>) => Effect.Effect<Uint8Array, Failure>
    /** How the run is doing. Nothing that happens to the run, or on the way to it, fails this. */
    readonly get: (
      taskType: string,
      resourceMeta: Uint8Array,
      connection?: Connection.Connection
    ) => Effect.Effect<RunReport.RunReport, ConnectorError>
    readonly delete: (
      taskType: string,
      resourceMeta: Uint8Array,
      connection?: Connection.Connection
    ) => Effect.Effect<void, Failure>
    /** A page of what the run printed. */
    readonly logs: (taskType: string, request: RunLogs.LogRequest) => Effect.Effect<RunLogs.LogPage, Failure>
    readonly metrics: (taskType: string) => Effect.Effect<never, ConnectorError>
  }
>()("@flyte-databricks/connector/DatabricksConnector") {}

// Without any patience nothing is tried twice, but what is tried still takes its time.
const leastPatience = 2000

export const layer: Layer.Layer<
  DatabricksConnector,
  Config.ConfigError,
  Audit | DatabricksAuth.DatabricksAuth | JobsClient.JobsClient | MetadataKey
> = Layer.effect(
  DatabricksConnector,
  Effect.gen(function* () {
    const auth = yield* DatabricksAuth.DatabricksAuth
    const jobs = yield* JobsClient.JobsClient
    const turns = yield* Turns.Turns
    const key = yield* MetadataKey
    const audit = yield* Audit
    const submissions = yield* Submissions.make(jobs)
    const reports = LastReports.make()
    const startedRuns = StartedRuns.make()
    const workspaces = Workspaces.make()
    const follow = yield* RunFollower.make(reports, submissions)
    const cancelRun = yield* Cancellation.make(reports, submissions)
    const readLogs = yield* RunLogs.make
    const provider = yield* Settings.serviceCredentialProvider
    const taskTypes = yield* Settings.taskTypes
    const patience = yield* Settings.createPatience

    // Where it may have to wait: in front of its workspace, unless its run is there already.
    const arrive = Effect.fnUntraced(function* ({ taskType, namespace, attempt, custom }: Task) {
      yield* serves(taskTypes, taskType)
      yield* turns.unlessFull("submit")
      yield* Call.note({ namespace, execution: `${attempt.project}:${attempt.domain}:${attempt.execution}` })
      return submissions.holds(attempt) ? undefined : workspaces.of(custom)
    })

    const create = Effect.fn("DatabricksConnector.create")(function* (asked: Asked<Task>) {
      const workspace = yield* Effect.flatMap(asked.read, arrive)
      const submitted = Effect.flatMap(asked.read, submit)
      return yield* workspace === undefined ? submitted : turns.ahead("submit", workspace, asked.letGo)(submitted)
    })

    const submit = Effect.fnUntraced(function* (task: Task) {
      const { org, project, domain } = task.attempt
      const body = yield* Effect.fromResult(
        JobSpec.make(
          { custom: task.custom, container: task.container, serviceCredentialProvider: provider },
          task.defaults
        )
      )
      const runAs = PinnedRun.runAsOf(body)
      if (runAs !== undefined) yield* Call.note({ runAs })
      const settings = yield* TaskSettings.fromCustom(task.custom)
      const patientUntil = Math.min(yield* Call.endsAt, (yield* Clock.currentTimeMillis) + Duration.toMillis(patience))
      const subject: Decisions.Subject = {
        attempt: task.attempt,
        onBehalfOf: { namespace: task.namespace, ...task.onBehalfOf, ...(runAs === undefined ? {} : { runAs }) }
      }
      // A try that failed may be followed by one that finds somebody else.
      let decided: Identity.Identity | undefined
      const decide = (identity: Identity.Identity) =>
        Effect.suspend(() => {
          if (decided?.key === identity.key) return Effect.void
          decided = identity
          return audit.record(() => Decisions.identityResolved({ ...subject, identity }))
        })
      const { header, ...resolved } = yield* auth
        .resolve({
          namespace: task.namespace,
          project,
          domain,
          org,
          settings,
          ...(task.connection === undefined ? {} : { connection: task.connection })
        })
        .pipe(
          Call.waitFor("an identity"),
          Effect.flatMap((resolved) =>
            PinnedRun.noteIdentity(resolved.identity).pipe(
              Effect.andThen(decide(resolved.identity)),
              Effect.andThen(PinnedRun.header(auth, resolved)),
              Effect.map((header) => ({ ...resolved, header }))
            )
          ),
          holdOut(patientUntil),
          // Nothing has been submitted: to give up here leaves no run behind.
          Call.within(Math.max(Duration.toMillis(patience), leastPatience), "FLYTE_DATABRICKS_CREATE_PATIENCE"),
          Effect.onError((cause) =>
            audit.record(() =>
              decided === undefined
                ? Decisions.identityRefused(subject, cause)
                : Decisions.runRefused({ ...subject, identity: decided }, cause)
            )
          )
        )
      if (Option.isSome(resolved.namespace)) yield* Call.note({ namespace: resolved.namespace.value })
      yield* Effect.logDebug(`Identity chosen from:\n${AuthError.describeFindings(resolved.explanation)}`)

      const { identity, storedToken } = resolved
      const { instance } = identity
      workspaces.learn(task.custom, instance)
      // It is held for as long as Flyte may not know the run; how it was found is not.
      const credential = { identity, ...(storedToken === undefined ? {} : { storedToken }) }
      const runId = yield* submissions
        .submit({ ...subject, attempt: task.attempt, credential, header, body, patientUntil })
        .pipe(Call.waitFor(`${instance} to take the job`))
      yield* Call.note({ runId })
      const now = yield* Clock.currentTimeMillis
      reports.submitted(LastReports.keyOf({ instance, runId }), RunReport.submitted(runId), now)
      const metadata = new JobMetadata.JobMetadata({ ...auth.record(resolved, task.connection), runId })
      const { started, warning } = startedRuns.answer({ ...resolved, metadata })
      yield* PinnedRun.noteIdentity(started.identity)
      if (Option.isSome(warning)) yield* Call.warn({ outcome: "RunOfAnother", message: warning.value })
      return yield* key.sign(yield* Effect.fromResult(JobMetadata.encode(started.metadata)))
    })

    const get = Effect.fn("DatabricksConnector.get")(function* (
      taskType: string,
      resourceMeta: Uint8Array,
      connection?: Connection.Connection
    ) {
      // Runs that were created before the setting was narrowed are followed to their end.
      yield* serves(Settings.knownTaskTypes, taskType)
      const report = yield* follow(resourceMeta, connection)
      yield* Call.note({ phase: report.phase })
      return RunReport.withoutSecrets(report)
    })

    const cancel = Effect.fn("DatabricksConnector.delete")(function* (
      taskType: string,
      resourceMeta: Uint8Array,
      connection?: Connection.Connection
    ) {
      yield* serves(Settings.knownTaskTypes, taskType)
      yield* cancelRun(resourceMeta, connection)
    })

    const logs = Effect.fn("DatabricksConnector.logs")(function* (taskType: string, request: RunLogs.LogRequest) {
      yield* serves(Settings.knownTaskTypes, taskType)
      return yield* readLogs(request)
    })

    const metrics = Effect.fnUntraced(function* (taskType: string) {
      yield* serves(Settings.knownTaskTypes, taskType)
      return yield* new ConnectorError({ reason: new MetricsUnavailable() })
    })

    return DatabricksConnector.of({ create, get, delete: cancel, logs, metrics })
  })
).pipe(Layer.provide(Turns.layer))

const serves = Effect.fnUntraced(function* (
  served: ReadonlyArray<string>,
  taskType: string
): Effect.fn.Return<void, ConnectorError> {
  yield* Call.note({ taskType })
  if (!served.includes(taskType)) {
    yield* new ConnectorError({
      reason: new TaskTypeUnknown({ taskType: printable(taskType, { maxLength: 100, as: "value" }), served })
    })
  }
})

/**
 * A connector that may be called before it has started: calls wait for it, within their deadlines.
 */
export const makePending: Effect.Effect<{
  readonly connector: DatabricksConnector["Service"]
  readonly start: (connector: DatabricksConnector["Service"]) => Effect.Effect<void>
}> = Effect.map(Deferred.make<DatabricksConnector["Service"]>(), (started) => {
  const ready = Deferred.await(started).pipe(Call.waitFor("the connector to start"))
  return {
    connector: {
      create: (task) => Effect.flatMap(ready, (connector) => connector.create(task)),
      get: (...run) => Effect.flatMap(ready, (connector) => connector.get(...run)),
      delete: (...run) => Effect.flatMap(ready, (connector) => connector.delete(...run)),
      logs: (...run) => Effect.flatMap(ready, (connector) => connector.logs(...run)),
      metrics: (...run) => Effect.flatMap(ready, (connector) => connector.metrics(...run))
    },
    start: (connector) => Deferred.succeed(started, connector)
  }
})
