/**
 * Create, get and delete, in words that both versions of Flyte share. Who the task is, is decided once, in `create`;
 * `get` and `delete` go by what the job's metadata recorded.
 */
import { AuthError, type Connection, DatabricksAuth, TaskSettings } from "@flyte-databricks/databricks-auth"
import * as Spans from "@flyte-databricks/databricks-auth/telemetry/Spans"
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import { JobMetadata, JobsClient, JobSpec } from "@flyte-databricks/databricks-jobs"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import type { Audit } from "./audit/Audit.ts"
import type * as Decisions from "./audit/decisions.ts"
import type { OnBehalfOf } from "./audit/decisions.ts"
import type { Asked } from "./call/Asked.ts"
import * as Call from "./call/Call.ts"
import { ConnectorError, type Failure, MetricsUnavailable, TaskTypeUnknown } from "./call/ConnectorError.ts"
import * as Turns from "./admission/Turns.ts"
import type { Attempt } from "./IdempotencyToken.ts"
import * as Identification from "./Identification.ts"
import * as Cancellation from "./runs/Cancellation.ts"
import { MetadataKey } from "./runs/MetadataKey.ts"
import * as PinnedRun from "./runs/PinnedRun.ts"
import * as LastReports from "./runs/LastReports.ts"
import * as RunFollower from "./runs/RunFollower.ts"
import * as RunLogs from "./runs/RunLogs.ts"
import * as RunReport from "./runs/RunReport.ts"
import * as StartedRuns from "./runs/StartedRuns.ts"
import * as Submissions from "./runs/Submissions.ts"
import * as TaskPlaces from "./runs/TaskPlaces.ts"
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
    const clock = yield* Clock.Clock
    const submissions = yield* Submissions.make(jobs)
    const reports = LastReports.make()
    const startedRuns = StartedRuns.make()
    const places = TaskPlaces.make()
    const follow = yield* RunFollower.make(reports, submissions)
    const cancelRun = yield* Cancellation.make(reports, submissions)
    const readLogs = yield* RunLogs.make
    const provider = yield* Settings.serviceCredentialProvider
    const taskTypes = yield* Settings.taskTypes
    const { identify, patience } = yield* Identification.make

    // Where it may have to wait: in front of its workspace, unless its run is there already.
    const arrive = Effect.fnUntraced(function* (task: Task) {
      const { taskType, namespace, attempt } = task
      const call = yield* Call.telling
      yield* serves(taskTypes, taskType)
      yield* turns.unlessFull("submit")
      call.note({ namespace, execution: `${attempt.project}:${attempt.domain}:${attempt.execution}` })
      return submissions.holds(attempt) ? undefined : places.of(task)
    })

    const create = (asked: Asked<Task>) => {
      const submitted = (isPlaced: boolean) => Effect.flatMap(asked.read, (task) => submit(task, isPlaced))
      return Effect.flatMap(Effect.flatMap(asked.read, arrive), (place) =>
        place === undefined ? submitted(false) : turns.ahead({ ...place, kind: "submit" }, asked.letGo)(submitted(true))
      ).pipe(Spans.span("DatabricksConnector.create"))
    }

    const submit = Effect.fnUntraced(function* (task: Task, isPlaced: boolean) {
      const body = yield* Effect.fromResult(
        JobSpec.make(
          { custom: task.custom, container: task.container, serviceCredentialProvider: provider },
          task.defaults
        )
      )
      const runAs = PinnedRun.runAsOf(body)
      const call = yield* Call.telling
      if (runAs !== undefined) call.note({ runAs })
      const settings = yield* TaskSettings.fromCustom(task.custom)
      const patientUntil = Math.min(yield* Call.endsAt, clock.currentTimeMillisUnsafe() + patience)
      const subject: Decisions.Subject = {
        attempt: task.attempt,
        onBehalfOf: { namespace: task.namespace, ...task.onBehalfOf, ...(runAs === undefined ? {} : { runAs }) }
      }
      const { header, ...resolved } = yield* identify(task, settings, subject, patientUntil, call)
      const namespace = Option.getOrElse(resolved.namespace, () => task.namespace)
      call.note({ namespace })
      if (yield* LogLevel.isEnabled("Debug")) {
        yield* Effect.logDebug(`Identity chosen from:\n${AuthError.describeFindings(resolved.explanation)}`)
      }

      const { identity, storedToken } = resolved
      const { instance } = identity
      if (!isPlaced) places.learn(task, { workspace: instance, namespace })
      // It is held for as long as Flyte may not know the run; how it was found is not.
      const credential = { identity, ...(storedToken === undefined ? {} : { storedToken }) }
      const runId = yield* submissions
        .submit({ ...subject, attempt: task.attempt, credential, header, body, patientUntil })
        .pipe(Call.waitFor(`${instance} to take the job`))
      const run = LastReports.keyOf({ instance, runId })
      reports.submitted(run, RunReport.submitted(runId), clock.currentTimeMillisUnsafe())
      const metadata = new JobMetadata.JobMetadata({ ...auth.record(resolved, task.connection), runId })
      const { started, warning } = startedRuns.answer({ ...resolved, metadata })
      call.note({ runId, ...PinnedRun.factsOf(started.identity) })
      if (Option.isSome(warning)) call.warn({ outcome: "RunOfAnother", message: warning.value })
      return yield* key.sign(yield* Effect.fromResult(JobMetadata.encode(started.metadata)))
    })

    const get = Effect.fnUntraced(function* (
      taskType: string,
      resourceMeta: Uint8Array,
      connection?: Connection.Connection
    ) {
      // Runs that were created before the setting was narrowed are followed to their end.
      yield* serves(Settings.knownTaskTypes, taskType)
      const report = yield* follow(resourceMeta, connection)
      yield* Call.note({ phase: report.phase })
      return RunReport.withoutSecrets(report)
    }, Spans.span("DatabricksConnector.get"))

    const cancel = Effect.fnUntraced(function* (
      taskType: string,
      resourceMeta: Uint8Array,
      connection?: Connection.Connection
    ) {
      yield* serves(Settings.knownTaskTypes, taskType)
      yield* cancelRun(resourceMeta, connection)
    }, Spans.span("DatabricksConnector.delete"))

    const logs = Effect.fnUntraced(function* (taskType: string, request: RunLogs.LogRequest) {
      yield* serves(Settings.knownTaskTypes, taskType)
      return yield* readLogs(request)
    }, Spans.span("DatabricksConnector.logs"))

    const metrics = Effect.fnUntraced(function* (taskType: string) {
      yield* serves(Settings.knownTaskTypes, taskType)
      return yield* new ConnectorError({ reason: new MetricsUnavailable() })
    })

    return DatabricksConnector.of({ create, get, delete: cancel, logs, metrics })
  })
).pipe(Layer.provide(Turns.layer))

const serves = (served: ReadonlyArray<string>, taskType: string): Effect.Effect<void, ConnectorError> => {
  const noted = Call.note({ taskType })
  if (served.includes(taskType)) return noted
  const reason = new TaskTypeUnknown({ taskType: printable(taskType, { maxLength: 100, as: "value" }), served })
  return Effect.andThen(noted, Effect.fail(new ConnectorError({ reason })))
}

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
