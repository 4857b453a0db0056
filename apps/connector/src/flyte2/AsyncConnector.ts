/**
 * Flyte 2's `flyteidl2.connector.AsyncConnectorService`: its messages on one side, the connector's words on the other.
 */
import { create } from "@bufbuild/protobuf"
import { Flyte2, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { DatabricksConnector } from "../DatabricksConnector.ts"
import type { Service } from "../grpc/Server.ts"
import { unary } from "../grpc/Unary.ts"
import type { RunReport } from "../runs/RunReport.ts"
import { toConnection, toTask } from "./Task.ts"

/**
 * The service, on the connector of the environment.
 */
export const make: Effect.Effect<Service, never, DatabricksConnector> = Effect.gen(function* () {
  const connector = yield* DatabricksConnector
  const method = unary(yield* Effect.context<never>())
  return {
    name: Flyte2.AsyncConnectorService.typeName,
    addTo: (server) =>
      server.addService(grpcServiceDefinition(Flyte2.AsyncConnectorService), {
        createTask: method("CreateTask", (request: Flyte2.CreateTaskRequest) =>
          Effect.flatMap(toTask(request), connector.create).pipe(
            Effect.map((resourceMeta) => create(Flyte2.CreateTaskResponseSchema, { resourceMeta }))
          )
        ),
        getTask: method("GetTask", ({ taskCategory, resourceMeta, connection }: Flyte2.GetTaskRequest) =>
          Effect.map(connector.get(taskCategory?.name ?? "", resourceMeta, toConnection(connection)), (report) =>
            create(Flyte2.GetTaskResponseSchema, { resource: toResource(report) })
          )
        ),
        deleteTask: method("DeleteTask", ({ taskCategory, resourceMeta, connection }: Flyte2.DeleteTaskRequest) =>
          Effect.as(
            connector.delete(taskCategory?.name ?? "", resourceMeta, toConnection(connection)),
            create(Flyte2.DeleteTaskResponseSchema)
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
