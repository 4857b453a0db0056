/**
 * Flyte 2's `flyteidl2.connector.AsyncConnectorService`: its messages on one side, the connector's words on the other.
 */
import { create } from "@bufbuild/protobuf"
import { Flyte2 } from "@flyte-databricks/flyte-protocol"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Asked from "../call/Asked.ts"
import { DatabricksConnector } from "../DatabricksConnector.ts"
import { readBy } from "../grpc/MessageReader.ts"
import type { Received } from "../grpc/Received.ts"
import type { Service } from "../grpc/Server.ts"
import { begun } from "../TaskRequest.ts"
import { streaming } from "../grpc/Streaming.ts"
import { unary, whole } from "../grpc/Unary.ts"
import * as Settings from "../Settings.ts"
import { portions } from "../runs/logParts.ts"
import type { LogPage } from "../runs/RunLogs.ts"
import type { RunReport } from "../runs/RunReport.ts"
import * as Requests from "./Requests.ts"
import { toConnection, toTask } from "./Task.ts"

/**
 * The service, on the connector of the environment.
 */
export const make: Effect.Effect<Service, Config.ConfigError, DatabricksConnector> = Effect.gen(function* () {
  const connector = yield* DatabricksConnector
  const orgLabel = yield* Settings.orgLabel
  const services = yield* Effect.context<never>()
  const method = unary(services)
  const stream = streaming(services)
  return {
    name: Flyte2.AsyncConnectorService.typeName,
    addTo: (server) =>
      server.addService(readBy(Flyte2.AsyncConnectorService, Requests.ofTasks), {
        createTask: method("CreateTask", (request: Received<Requests.CreateTask>) =>
          begun(request).pipe(
            Effect.andThen(connector.create(Asked.make(request, (message) => toTask(message, orgLabel)))),
            Effect.map((resourceMeta) => create(Flyte2.CreateTaskResponseSchema, { resourceMeta }))
          )
        ),
        getTask: method(
          "GetTask",
          whole(({ taskCategory, resourceMeta, connection }: Requests.GetTask) =>
            Effect.map(connector.get(taskCategory?.name ?? "", resourceMeta, toConnection(connection)), (report) =>
              create(Flyte2.GetTaskResponseSchema, { resource: toResource(report) })
            )
          )
        ),
        deleteTask: method(
          "DeleteTask",
          whole(({ taskCategory, resourceMeta, connection }: Requests.DeleteTask) =>
            Effect.as(
              connector.delete(taskCategory?.name ?? "", resourceMeta, toConnection(connection)),
              create(Flyte2.DeleteTaskResponseSchema)
            )
          )
        ),
        getTaskMetrics: method(
          "GetTaskMetrics",
          whole((request: Requests.GetTaskMetrics) => connector.metrics(request.taskCategory?.name ?? ""))
        ),
        getTaskLogs: stream("GetTaskLogs", (request: Requests.GetTaskLogs) =>
          Effect.map(
            connector.logs(request.taskCategory?.name ?? "", {
              ...request,
              lines: Number(request.lines),
              // A request for logs carries no secrets: what a task's own token submitted is not read with another.
              connection: toConnection(undefined)
            }),
            toLogParts
          )
        )
      })
  }
})

const toResource = ({ phase, message, link, info }: RunReport) =>
  create(Flyte2.ResourceSchema, {
    phase: Flyte2.TaskExecution_Phase[phase],
    message,
    logLinks: Option.toArray(link).map((uri) => create(Flyte2.TaskLogSchema, { name: "Databricks Console", uri })),
    customInfo: { ...info }
  })

// The next page's token first: whoever stops reading has it.
function* toLogParts(page: LogPage): Generator<Flyte2.GetTaskLogsResponse> {
  const header = create(Flyte2.GetTaskLogsResponseHeaderSchema, { token: page.next })
  yield create(Flyte2.GetTaskLogsResponseSchema, { part: { case: "header", value: header } })
  for (const portion of portions(page)) {
    const body = create(Flyte2.GetTaskLogsResponseBodySchema, {
      results: portion.map(({ message }) => message),
      lines: portion.map(({ message, originator }) => ({ message, originator: Flyte2.LogLineOriginator[originator] }))
    })
    yield create(Flyte2.GetTaskLogsResponseSchema, { part: { case: "body", value: body } })
  }
}
