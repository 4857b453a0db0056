/**
 * What is read of Flyte 2's requests. A field that is not here is not there for anybody.
 */
import { Flyte2 } from "@flyte-databricks/flyte-protocol"
import { type Read, reader } from "../grpc/MessageReader.ts"
import { execution, target, taskCategory } from "../TaskRequest.ts"

const connection = { secrets: true } as const

export const ofTasks = {
  createTask: reader(Flyte2.CreateTaskRequestSchema, {
    template: {
      type: true,
      custom: true,
      target
    },
    taskExecutionMetadata: { ...execution, labels: true, environmentVariables: true },
    connection
  }),
  getTask: reader(Flyte2.GetTaskRequestSchema, { taskCategory, resourceMeta: true, connection }),
  deleteTask: reader(Flyte2.DeleteTaskRequestSchema, { taskCategory, resourceMeta: true, connection }),
  getTaskMetrics: reader(Flyte2.GetTaskMetricsRequestSchema, { taskCategory }),
  getTaskLogs: reader(Flyte2.GetTaskLogsRequestSchema, { taskCategory, resourceMeta: true, lines: true, token: true })
}

export const ofMetadata = {
  getConnector: reader(Flyte2.GetConnectorRequestSchema, { name: true }),
  listConnectors: reader(Flyte2.ListConnectorsRequestSchema, {})
}

export type CreateTask = Read<typeof ofTasks.createTask>
export type GetTask = Read<typeof ofTasks.getTask>
export type DeleteTask = Read<typeof ofTasks.deleteTask>
export type GetTaskMetrics = Read<typeof ofTasks.getTaskMetrics>
export type GetTaskLogs = Read<typeof ofTasks.getTaskLogs>
export type GetConnector = Read<typeof ofMetadata.getConnector>
export type ListConnectors = Read<typeof ofMetadata.listConnectors>
