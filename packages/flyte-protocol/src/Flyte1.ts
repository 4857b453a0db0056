/** Flyte 1: `flyteidl.service.AsyncAgentService` and `AgentMetadataService`, and the messages they exchange. */
export { AgentMetadataService, AsyncAgentService } from "#gen/v1/flyteidl/service/agent_pb.js"
export * from "#gen/v1/flyteidl/admin/agent_pb.js"
export {
  ExecutionError_ErrorKind,
  TaskExecution_Phase,
  TaskLog_MessageFormat,
  TaskLogSchema
} from "#gen/v1/flyteidl/core/execution_pb.js"
export type { TaskLog } from "#gen/v1/flyteidl/core/execution_pb.js"
export { TaskExecutionIdentifierSchema } from "#gen/v1/flyteidl/core/identifier_pb.js"
export type { TaskExecutionIdentifier } from "#gen/v1/flyteidl/core/identifier_pb.js"
export { LiteralMapSchema } from "#gen/v1/flyteidl/core/literals_pb.js"
export type { KeyValuePair, LiteralMap } from "#gen/v1/flyteidl/core/literals_pb.js"
export { TaskTemplateSchema } from "#gen/v1/flyteidl/core/tasks_pb.js"
export type { Container, TaskTemplate } from "#gen/v1/flyteidl/core/tasks_pb.js"
