/**
 * Flyte 1's `flyteidl.service.AgentMetadataService`: what this connector serves. It needs nothing and never waits: one
 * failed answer would empty Flyte's registry, and running tasks would be lost with it.
 */
import { create } from "@bufbuild/protobuf"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { type sendUnaryData, type ServerUnaryCall, status } from "@grpc/grpc-js"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { connectorName } from "../DatabricksConnector.ts"
import { readBy } from "../grpc/MessageReader.ts"
import type { Service } from "../grpc/Server.ts"
import * as Settings from "../Settings.ts"
import * as Requests from "./Requests.ts"

/**
 * The service, for the task types of the environment; its answers are made before it listens.
 */
export const make: Effect.Effect<Service, Config.ConfigError> = Effect.gen(function* () {
  const taskTypes = yield* Settings.taskTypes
  const agent = create(Flyte1.AgentSchema, {
    name: connectorName,
    isSync: false,
    supportedTaskTypes: [...taskTypes],
    supportedTaskCategories: taskTypes.map((name) => create(Flyte1.TaskCategorySchema, { name, version: 0 }))
  })

  const getAgent = (
    call: ServerUnaryCall<Requests.GetAgent, Flyte1.GetAgentResponse>,
    callback: sendUnaryData<Flyte1.GetAgentResponse>
  ): void =>
    call.request.name === connectorName
      ? callback(null, create(Flyte1.GetAgentResponseSchema, { agent }))
      : callback({ code: status.NOT_FOUND, details: `Cannot find agent. This connector has one: ${connectorName}.` })

  const listAgents = (
    _call: ServerUnaryCall<Requests.ListAgents, Flyte1.ListAgentsResponse>,
    callback: sendUnaryData<Flyte1.ListAgentsResponse>
  ): void => callback(null, create(Flyte1.ListAgentsResponseSchema, { agents: [agent] }))

  return {
    name: Flyte1.AgentMetadataService.typeName,
    kind: "light",
    addTo: (server) =>
      server.addService(readBy(Flyte1.AgentMetadataService, Requests.ofMetadata), { getAgent, listAgents })
  }
})
