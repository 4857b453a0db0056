/**
 * What is read of Flyte 1's requests. A field that is not here is not there for anybody.
 */
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { type Read, reader } from "../grpc/MessageReader.ts"
import { execution, target, taskCategory } from "../TaskRequest.ts"

export const ofTasks = {
  createTask: reader(Flyte1.CreateTaskRequestSchema, {
    template: {
      id: { name: true },
      type: true,
      custom: true,
      target
    },
    outputPrefix: true,
    taskExecutionMetadata: execution
  }),
  getTask: reader(Flyte1.GetTaskRequestSchema, { taskType: true, taskCategory, resourceMeta: true }),
  deleteTask: reader(Flyte1.DeleteTaskRequestSchema, { taskType: true, taskCategory, resourceMeta: true }),
  getTaskMetrics: reader(Flyte1.GetTaskMetricsRequestSchema, { taskType: true, taskCategory }),
  getTaskLogs: reader(Flyte1.GetTaskLogsRequestSchema, {
    taskType: true,
    taskCategory,
    resourceMeta: true,
    lines: true,
    token: true
  })
}

export const ofMetadata = {
  getAgent: reader(Flyte1.GetAgentRequestSchema, { name: true }),
  listAgents: reader(Flyte1.ListAgentsRequestSchema, {})
}

export type CreateTask = Read<typeof ofTasks.createTask>
export type GetTask = Read<typeof ofTasks.getTask>
export type DeleteTask = Read<typeof ofTasks.deleteTask>
export type GetTaskMetrics = Read<typeof ofTasks.getTaskMetrics>
export type GetTaskLogs = Read<typeof ofTasks.getTaskLogs>
export type GetAgent = Read<typeof ofMetadata.getAgent>
export type ListAgents = Read<typeof ofMetadata.listAgents>
