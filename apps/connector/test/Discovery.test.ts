/** How Flyte finds the connector, and how Kubernetes knows that it is there. */
import { create } from "@bufbuild/protobuf"
import { assert, describe } from "@effect/vitest"
import { Fault } from "@flyte-databricks/emulators"
import { Flyte1, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Effect } from "effect"
import { phaseOf } from "./support/FlyteClient.ts"
import { refusal } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import { scenario } from "./support/World.ts"

const agentService = grpcServiceDefinition(Flyte1.AsyncAgentService)

describe("the registry", () => {
  scenario("lists one agent with its task types, in today's words and the deprecated ones", ({ serving }) =>
    serving({}, ({ flyte, log }) =>
      Effect.gen(function* () {
        const { agents } = yield* flyte.listAgents
        assert.deepStrictEqual(
          agents.map(({ name, isSync, supportedTaskTypes }) => ({ name, isSync, supportedTaskTypes })),
          [{ name: "Databricks Connector", isSync: false, supportedTaskTypes: ["spark", "databricks"] }]
        )
        assert.deepStrictEqual(
          agents[0]?.supportedTaskCategories.map(({ name, version }) => [name, version]),
          [
            ["spark", 0],
            ["databricks", 0]
          ]
        )
        assert.deepStrictEqual((yield* flyte.getAgent("Databricks Connector")).agent, agents[0])
        // Each propeller asks every ten seconds: that is no news.
        assert.deepStrictEqual(log.calls(), [])
      })
    )
  )

  scenario("lists the task types that are set, and takes no other", ({ workspace, serving }) =>
    Effect.gen(function* () {
      const spark = tasks.createTask({ type: "spark" })
      const resourceMeta = yield* serving({}, ({ flyte }) => flyte.createTask(spark))
      yield* serving({ FLYTE_DATABRICKS_TASK_TYPES: " databricks, " }, (connector) =>
        Effect.gen(function* () {
          const { flyte } = connector
          const [agent] = (yield* flyte.listAgents).agents
          assert.deepStrictEqual(agent?.supportedTaskTypes, ["databricks"])
          assert.deepStrictEqual(
            agent?.supportedTaskCategories.map(({ name }) => name),
            ["databricks"]
          )
          const { code, details } = yield* refusal(connector, flyte.createTask(spark))
          assert.strictEqual(code, "NOT_FOUND")
          assert.include(details, "This connector serves databricks.")
          // What was created before goes on to its end.
          const taskType = "spark"
          const get = create(Flyte1.GetTaskRequestSchema, { taskType, resourceMeta })
          const { resource } = yield* flyte.call(agentService.getTask, get)
          assert.strictEqual(phaseOf(resource ?? create(Flyte1.ResourceSchema)), "INITIALIZING")
          yield* flyte.call(agentService.deleteTask, create(Flyte1.DeleteTaskRequestSchema, { taskType, resourceMeta }))
          assert.strictEqual((yield* workspace.runs)[0]?.lifeCycleState, "TERMINATING")
        })
      )
    })
  )

  scenario("knows no other agent, and says which it has", ({ serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const { code, details } = yield* Effect.flip(flyte.getAgent("BigQuery Connector"))
        assert.strictEqual(code, "NOT_FOUND")
        assert.include(details, "Databricks Connector")
      })
    )
  )

  scenario(
    "answers while Databricks, Kubernetes and every credential are out of reach",
    ({ kubernetes, workspace, serving }) =>
      Effect.gen(function* () {
        yield* kubernetes.faults.add({ action: Fault.connectionReset })
        const held = yield* workspace.faults.hold({})
        yield* serving({ FLYTE_DATABRICKS_CLIENT_ID: "half-a-pair" }, ({ flyte }) =>
          Effect.gen(function* () {
            assert.strictEqual((yield* flyte.listAgents).agents.length, 1)
            assert.strictEqual(yield* flyte.health(""), "SERVING")
          })
        )
        yield* held.release
      })
  )
})

describe("health", () => {
  scenario("is SERVING for the server, each service and the health service itself", ({ serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        for (const service of [
          "",
          "flyteidl.service.AsyncAgentService",
          "flyteidl.service.AgentMetadataService",
          "grpc.health.v1.Health"
        ]) {
          assert.strictEqual(yield* flyte.health(service), "SERVING", service)
        }
        const { code } = yield* Effect.flip(flyte.health("flyteidl.service.SyncAgentService"))
        assert.strictEqual(code, "NOT_FOUND")
      })
    )
  )
})

describe("a caller from before task categories", () => {
  for (const taskType of ["spark", "databricks"]) {
    scenario(`sends ${taskType} as the deprecated task_type, and is served`, ({ workspace, serving }) =>
      serving({}, ({ flyte }) =>
        Effect.gen(function* () {
          const resourceMeta = yield* flyte.createTask(tasks.createTask({ type: taskType }))
          const get = create(Flyte1.GetTaskRequestSchema, { taskType, resourceMeta })
          const { resource } = yield* flyte.call(agentService.getTask, get)
          assert.strictEqual(phaseOf(resource ?? create(Flyte1.ResourceSchema)), "INITIALIZING")
          const del = create(Flyte1.DeleteTaskRequestSchema, { taskType, resourceMeta })
          yield* flyte.call(agentService.deleteTask, del)
          assert.strictEqual((yield* workspace.runs)[0]?.lifeCycleState, "TERMINATING")
        })
      )
    )
  }

  scenario("hears that another type is not served here", ({ serving }) =>
    serving({}, (connector) =>
      Effect.gen(function* () {
        const get = create(Flyte1.GetTaskRequestSchema, { taskType: "snowflake" })
        const { code, details } = yield* refusal(connector, connector.flyte.call(agentService.getTask, get))
        assert.strictEqual(code, "NOT_FOUND")
        assert.strictEqual(
          details,
          "Cannot find connector for task type: snowflake. This connector serves spark and databricks. [FDC606, docs/diagnosis.md#fdc606]"
        )
      })
    )
  )
})
