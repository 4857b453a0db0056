import { create, equals } from "@bufbuild/protobuf"
import type { DescService } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual, throws } from "@effect/vitest/utils"
import { Flyte1, Flyte2, grpcServiceDefinition } from "../src/index.ts"
import { bytesOf, flyte1Requests, flyte2Requests } from "./createRequests.ts"

const pathsOf = (service: DescService) =>
  Object.fromEntries(Object.entries(grpcServiceDefinition(service)).map(([name, method]) => [name, method.path]))

describe("grpcServiceDefinition", () => {
  it("has the paths that Flyte 1 calls", () => {
    deepStrictEqual(pathsOf(Flyte1.AsyncAgentService), {
      createTask: "/flyteidl.service.AsyncAgentService/CreateTask",
      getTask: "/flyteidl.service.AsyncAgentService/GetTask",
      deleteTask: "/flyteidl.service.AsyncAgentService/DeleteTask",
      getTaskMetrics: "/flyteidl.service.AsyncAgentService/GetTaskMetrics",
      getTaskLogs: "/flyteidl.service.AsyncAgentService/GetTaskLogs"
    })
    deepStrictEqual(pathsOf(Flyte1.AgentMetadataService), {
      getAgent: "/flyteidl.service.AgentMetadataService/GetAgent",
      listAgents: "/flyteidl.service.AgentMetadataService/ListAgents"
    })
  })

  it("has the paths that Flyte 2 calls", () => {
    deepStrictEqual(pathsOf(Flyte2.AsyncConnectorService), {
      createTask: "/flyteidl2.connector.AsyncConnectorService/CreateTask",
      getTask: "/flyteidl2.connector.AsyncConnectorService/GetTask",
      deleteTask: "/flyteidl2.connector.AsyncConnectorService/DeleteTask",
      getTaskMetrics: "/flyteidl2.connector.AsyncConnectorService/GetTaskMetrics",
      getTaskLogs: "/flyteidl2.connector.AsyncConnectorService/GetTaskLogs"
    })
    deepStrictEqual(pathsOf(Flyte2.ConnectorMetadataService), {
      getConnector: "/flyteidl2.connector.ConnectorMetadataService/GetConnector",
      listConnectors: "/flyteidl2.connector.ConnectorMetadataService/ListConnectors"
    })
  })

  it.each([Flyte1.AsyncAgentService, Flyte2.AsyncConnectorService])(
    "streams logs only, from the server: $typeName",
    (service) => {
      const methods = Object.entries<{ readonly requestStream: boolean; readonly responseStream: boolean }>(
        grpcServiceDefinition(service)
      )
      deepStrictEqual(
        methods.filter(([, method]) => method.requestStream).map(([name]) => name),
        []
      )
      deepStrictEqual(
        methods.filter(([, method]) => method.responseStream).map(([name]) => name),
        ["getTaskLogs"]
      )
    }
  )

  it("reads and writes Flyte 1's requests", () => {
    const { createTask } = grpcServiceDefinition(Flyte1.AsyncAgentService)
    for (const recorded of flyte1Requests) {
      const bytes = bytesOf(recorded)
      deepStrictEqual(createTask.requestSerialize(createTask.requestDeserialize(bytes)), bytes)
    }
  })

  it("reads and writes Flyte 2's requests", () => {
    const { createTask } = grpcServiceDefinition(Flyte2.AsyncConnectorService)
    for (const recorded of flyte2Requests) {
      const bytes = bytesOf(recorded)
      deepStrictEqual(createTask.requestSerialize(createTask.requestDeserialize(bytes)), bytes)
    }
  })

  it("reads the response it wrote", () => {
    const { getTask } = grpcServiceDefinition(Flyte2.AsyncConnectorService)
    const response = create(Flyte2.GetTaskResponseSchema, {
      resource: {
        phase: Flyte2.TaskExecution_Phase.RUNNING,
        logLinks: [{ name: "Databricks Console", uri: "https://x" }]
      }
    })
    const read = getTask.responseDeserialize(getTask.responseSerialize(response))
    assert.isTrue(equals(Flyte2.GetTaskResponseSchema, read, response))
  })

  it("refuses a message of the other family", () => {
    const { createTask } = grpcServiceDefinition(Flyte1.AsyncAgentService)
    // @ts-expect-error the type refuses it too
    throws(() => createTask.requestSerialize(create(Flyte2.CreateTaskRequestSchema)))
  })

  it("refuses bytes that end early", () => {
    const { createTask } = grpcServiceDefinition(Flyte1.AsyncAgentService)
    throws(() => createTask.requestDeserialize(Buffer.from([0x12, 0x20, 0x0a])))
  })
})
