/**
 * Flyte 2's `flyteidl2.connector.ConnectorMetadataService`: what this connector serves. It needs nothing and never waits:
 * Flyte asks every ten seconds, and forgets where tasks go when it gets no answer.
 */
import { create } from "@bufbuild/protobuf"
import { Flyte2 } from "@flyte-databricks/flyte-protocol"
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
  // Flyte 2 has no task type "spark" that its own Databricks connector would answer to: offered, it would be taken from
  // the plugin that runs Spark on Kubernetes.
  const offered = (yield* Settings.taskTypes).filter((name) => name === "databricks")
  const connector = create(Flyte2.ConnectorSchema, {
    name: connectorName,
    supportedTaskCategories: offered.map((name) => create(Flyte2.TaskCategorySchema, { name, version: 0 }))
  })

  const getConnector = (
    call: ServerUnaryCall<Requests.GetConnector, Flyte2.GetConnectorResponse>,
    callback: sendUnaryData<Flyte2.GetConnectorResponse>
  ): void =>
    call.request.name === connectorName
      ? callback(null, create(Flyte2.GetConnectorResponseSchema, { connector }))
      : callback({ code: status.NOT_FOUND, details: `Cannot find connector. There is one here: ${connectorName}.` })

  const listConnectors = (
    _call: ServerUnaryCall<Requests.ListConnectors, Flyte2.ListConnectorsResponse>,
    callback: sendUnaryData<Flyte2.ListConnectorsResponse>
  ): void => callback(null, create(Flyte2.ListConnectorsResponseSchema, { connectors: [connector] }))

  return {
    name: Flyte2.ConnectorMetadataService.typeName,
    kind: "light",
    addTo: (server) =>
      server.addService(readBy(Flyte2.ConnectorMetadataService, Requests.ofMetadata), { getConnector, listConnectors })
  }
})
