/**
 * Flyte 1's `flyteidl.service.AsyncAgentService`: its messages on one side, the connector's words on the other.
 */
import { create } from "@bufbuild/protobuf"
import { JobSpec } from "@flyte-databricks/databricks-jobs"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Asked from "../call/Asked.ts"
import { ConnectorError, type Failure, RequestIncomplete } from "../call/ConnectorError.ts"
import { DatabricksConnector, type Task } from "../DatabricksConnector.ts"
import { readBy } from "../grpc/MessageReader.ts"
import type { Received } from "../grpc/Received.ts"
import type { Service } from "../grpc/Server.ts"
import type { Attempt } from "../IdempotencyToken.ts"
import { onBehalfOf } from "../audit/onBehalfOf.ts"
import { containerOf } from "../TaskContainer.ts"
import { begun } from "../TaskRequest.ts"
import { streaming } from "../grpc/Streaming.ts"
import { unary, whole } from "../grpc/Unary.ts"
import { portions } from "../runs/logParts.ts"
import type { LogPage } from "../runs/RunLogs.ts"
import type { RunReport } from "../runs/RunReport.ts"
import * as Requests from "./Requests.ts"

/**
 * The service, on the connector of the environment.
 */
export const make: Effect.Effect<Service, never, DatabricksConnector> = Effect.gen(function* () {
  const connector = yield* DatabricksConnector
  const services = yield* Effect.context<never>()
  const method = unary(services)
  const stream = streaming(services)
  return {
    name: Flyte1.AsyncAgentService.typeName,
    addTo: (server) =>
      server.addService(readBy(Flyte1.AsyncAgentService, Requests.ofTasks), {
        createTask: method("CreateTask", (request: Received<Requests.CreateTask>) =>
          begun(request).pipe(
            Effect.andThen(connector.create(Asked.make(request, toTask))),
            Effect.map((resourceMeta) => create(Flyte1.CreateTaskResponseSchema, { resourceMeta }))
          )
        ),
        getTask: method(
          "GetTask",
          whole((request: Requests.GetTask) =>
            Effect.map(connector.get(taskTypeOf(request), request.resourceMeta), (report) =>
              create(Flyte1.GetTaskResponseSchema, { resource: toResource(report) })
            )
          )
        ),
        deleteTask: method(
          "DeleteTask",
          whole((request: Requests.DeleteTask) =>
            Effect.as(
              connector.delete(taskTypeOf(request), request.resourceMeta),
              create(Flyte1.DeleteTaskResponseSchema)
            )
          )
        ),
        getTaskMetrics: method(
          "GetTaskMetrics",
          whole((request: Requests.GetTaskMetrics) => connector.metrics(taskTypeOf(request)))
        ),
        getTaskLogs: stream("GetTaskLogs", (request: Requests.GetTaskLogs) =>
          Effect.map(connector.logs(taskTypeOf(request), { ...request, lines: Number(request.lines) }), toLogParts)
        )
      })
  }
})

const toTask = (request: Requests.CreateTask): Result.Result<Task, Failure> => {
  const { template, taskExecutionMetadata: metadata } = request
  if (template === undefined) return incomplete("a task template")
  const attempt = attemptOf(request)
  // Without it all tasks would be one attempt to Databricks, and a second task would get the run of the first.
  if (attempt === undefined) {
    return incomplete("an execution id (task_execution_metadata.task_execution_id) or an output_prefix")
  }
  return Result.map(containerOf(template), (container) => ({
    taskType: template.type,
    custom: template.custom,
    container,
    defaults: JobSpec.flyte1Defaults,
    namespace: metadata?.namespace ?? "",
    attempt,
    onBehalfOf: onBehalfOf(metadata)
  }))
}

const attemptOf = ({ template, taskExecutionMetadata, outputPrefix }: Requests.CreateTask): Attempt | undefined => {
  const id = taskExecutionMetadata?.taskExecutionId
  const node = id?.nodeExecutionId
  if (node?.executionId?.name) {
    return {
      org: node.executionId.org,
      project: node.executionId.project,
      domain: node.executionId.domain,
      execution: node.executionId.name,
      node: node.nodeId,
      task: id?.taskId?.name ?? "",
      retryAttempt: id?.retryAttempt ?? 0
    }
  }
  // Callers from before execution ids say where the outputs go, which has the execution, the node and the attempt in it.
  return outputPrefix === ""
    ? undefined
    : {
        org: "",
        project: "",
        domain: "",
        execution: outputPrefix,
        node: "",
        task: template?.id?.name ?? "",
        retryAttempt: 0
      }
}

const incomplete = (missing: string): Result.Result<never, Failure> =>
  Result.fail(new ConnectorError({ reason: new RequestIncomplete({ operation: "CreateTask", missing }) }))

// Callers from before task categories send the type alone.
const taskTypeOf = (request: {
  readonly taskCategory?: { readonly name: string } | undefined
  readonly taskType: string
}): string => request.taskCategory?.name || request.taskType

// What callers from before phases go by; unset it would be a retryable failure.
const states = {
  QUEUED: Flyte1.State.PENDING,
  WAITING_FOR_RESOURCES: Flyte1.State.PENDING,
  INITIALIZING: Flyte1.State.PENDING,
  RUNNING: Flyte1.State.RUNNING,
  SUCCEEDED: Flyte1.State.SUCCEEDED,
  FAILED: Flyte1.State.PERMANENT_FAILURE,
  RETRYABLE_FAILED: Flyte1.State.RETRYABLE_FAILURE
} satisfies Record<RunReport["phase"], Flyte1.State>

const toResource = ({ phase, message, link, info }: RunReport) =>
  create(Flyte1.ResourceSchema, {
    phase: Flyte1.TaskExecution_Phase[phase],
    state: states[phase],
    message,
    logLinks: Option.toArray(link).map((uri) => create(Flyte1.TaskLogSchema, { name: "Databricks Console", uri })),
    customInfo: { ...info }
  })

// The next page's token first: whoever stops reading has it.
function* toLogParts(page: LogPage): Generator<Flyte1.GetTaskLogsResponse> {
  const header = create(Flyte1.GetTaskLogsResponseHeaderSchema, { token: page.next })
  yield create(Flyte1.GetTaskLogsResponseSchema, { part: { case: "header", value: header } })
  for (const portion of portions(page)) {
    const body = create(Flyte1.GetTaskLogsResponseBodySchema, {
      results: portion.map(({ message }) => message),
      structuredLines: portion.map(({ message, originator }) => ({
        message,
        originator: Flyte1.LogLineOriginator[originator]
      }))
    })
    yield create(Flyte1.GetTaskLogsResponseSchema, { part: { case: "body", value: body } })
  }
}
