/** The connector as the executors of Flyte 1 and Flyte 2 call it. */
import { create, type JsonObject } from "@bufbuild/protobuf"
import { Flyte1, Flyte2, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Duration, Effect } from "effect"
import type { CallFailed } from "../support/FlyteClient.ts"
import { type Console, flyte1 as console1, flyte2 as console2 } from "./Console.ts"
import type { Deployment } from "./Deployment.ts"
import type { Order } from "./orders.ts"
import type { Answer } from "./Resync.ts"

/** What carries calls to a connector. */
export type Call = Deployment["call"]

/** The calls of one version, and what is peculiar to it. */
export interface Version {
  readonly create: (order: Order, attempt: number) => Effect.Effect<Uint8Array, CallFailed>
  readonly get: (order: Order, resourceMeta: Uint8Array) => Effect.Effect<Answer, CallFailed>
  readonly delete: (order: Order, resourceMeta: Uint8Array) => Effect.Effect<unknown, CallFailed>
  /** The task types that are served. */
  readonly list: Effect.Effect<ReadonlyArray<string>, CallFailed>
  /** Whether the executor's configuration says who serves the task type, whatever the registry says. */
  readonly isListed: boolean
  readonly console: (refused: number) => Console
  /** How soon the next attempt follows on one that could not be created. */
  readonly nextAttemptAfter: Duration.Duration
  /** How soon a task is looked at again whose event was refused. */
  readonly refusedAgainAfter: Duration.Duration
  /** Whether failed polls are stored with the task, so that they outlive the executor. */
  readonly storesFailedPolls: boolean
  /** How often a refused delete is repeated, and how long after the last. */
  readonly deletes: { readonly times: number; readonly every: Duration.Input }
  /** Whether the next attempt waits until the run of the one before is deleted; else it is asked once, for good or ill. */
  readonly retryWaitsForDelete: boolean
  /** Whether a run that is over is deleted too, an hour later. */
  readonly deletesFinished: boolean
}

const cluster = { spark_version: "15.4.x-scala2.12", node_type_id: "m5.xlarge", num_workers: 2 }

/** The template, and whose it is: in both versions the same words, but for the namespace. */
const fields = (
  { name, serverless, team: { custom, domain, project } }: Order,
  attempt: number,
  namespace: string
) => ({
  template: {
    type: "databricks",
    custom: {
      databricksConf: { run_name: name, ...(serverless ? { environment_key: "default" } : { new_cluster: cluster }) },
      ...custom
    } satisfies JsonObject,
    target: {
      case: "container" as const,
      value: {
        image: "example.com/spark:v1",
        args: ["pyflyte-execute", "--inputs", "s3://flyte/in"],
        env: [
          { key: "FLYTE_TASK", value: name },
          { key: "FLYTE_ATTEMPT_NUMBER", value: String(attempt) }
        ]
      }
    }
  },
  taskExecutionMetadata: {
    namespace,
    taskExecutionId: {
      taskId: { name: "workflows.nightly" },
      nodeExecutionId: { nodeId: "n0", executionId: { project, domain, name } },
      retryAttempt: attempt
    }
  }
})

const category = { name: "databricks", version: 0 }
const timeout = 10_000

/** Flyte 1: a namespace for each project and domain; a workflow gives up after twelve refused deletes. */
export const flyte1 = (call: Call, isListed = true): Version => {
  const service = grpcServiceDefinition(Flyte1.AsyncAgentService)
  const registry = grpcServiceDefinition(Flyte1.AgentMetadataService)
  // Versions before task categories send the type alone, and wait three seconds.
  const timeoutOf = ({ oldCaller }: Order) => (oldCaller ? 3000 : timeout)
  const addressed = ({ oldCaller }: Order, resourceMeta: Uint8Array) => ({
    resourceMeta,
    ...(oldCaller ? { taskType: "databricks" } : { taskCategory: category })
  })
  return {
    create: (order, attempt) => {
      const { domain, project, namespace = `${project}-${domain}` } = order.team
      const request = create(Flyte1.CreateTaskRequestSchema, fields(order, attempt, namespace))
      return Effect.map(call(service.createTask, request, timeoutOf(order)), ({ resourceMeta }) => resourceMeta)
    },
    get: (order, resourceMeta) =>
      Effect.map(
        call(service.getTask, create(Flyte1.GetTaskRequestSchema, addressed(order, resourceMeta)), timeoutOf(order)),
        ({ resource }) => ({
          phase: Flyte1.TaskExecution_Phase[resource?.phase ?? 0] ?? "no phase of Flyte's",
          links: resource?.logLinks.length ?? 0
        })
      ),
    delete: (order, resourceMeta) =>
      call(
        service.deleteTask,
        create(Flyte1.DeleteTaskRequestSchema, addressed(order, resourceMeta)),
        timeoutOf(order)
      ),
    list: Effect.map(call(registry.listAgents, create(Flyte1.ListAgentsRequestSchema), timeout), ({ agents }) =>
      agents.flatMap(({ supportedTaskCategories }) => supportedTaskCategories.map(({ name }) => name))
    ),
    isListed,
    console: console1,
    nextAttemptAfter: Duration.millis(500),
    refusedAgainAfter: Duration.seconds(1),
    storesFailedPolls: false,
    deletes: { times: 11, every: "25 millis" },
    retryWaitsForDelete: true,
    deletesFinished: false
  }
}

/** Flyte 2: one namespace for all; a delete is repeated until it succeeds, and runs that are over are deleted too. */
export const flyte2 = (call: Call): Version => {
  const service = grpcServiceDefinition(Flyte2.AsyncConnectorService)
  const registry = grpcServiceDefinition(Flyte2.ConnectorMetadataService)
  const addressed = ({ secrets = {} }: Order["team"], resourceMeta: Uint8Array) => ({
    resourceMeta,
    taskCategory: category,
    connection: { secrets }
  })
  return {
    create: (order, attempt) =>
      Effect.map(
        call(
          service.createTask,
          create(Flyte2.CreateTaskRequestSchema, {
            ...fields(order, attempt, "flyte"),
            connection: { secrets: order.team.secrets ?? {} }
          }),
          timeout
        ),
        ({ resourceMeta }) => resourceMeta
      ),
    get: ({ team }, resourceMeta) =>
      Effect.map(
        call(service.getTask, create(Flyte2.GetTaskRequestSchema, addressed(team, resourceMeta)), timeout),
        ({ resource }) => ({
          phase: Flyte2.TaskExecution_Phase[resource?.phase ?? 0] ?? "no phase of Flyte's",
          links: resource?.logLinks.length ?? 0
        })
      ),
    delete: ({ team }, resourceMeta) =>
      call(service.deleteTask, create(Flyte2.DeleteTaskRequestSchema, addressed(team, resourceMeta)), timeout),
    list: Effect.map(
      call(registry.listConnectors, create(Flyte2.ListConnectorsRequestSchema), timeout),
      ({ connectors }) =>
        connectors.flatMap(({ supportedTaskCategories }) => supportedTaskCategories.map(({ name }) => name))
    ),
    isListed: true,
    console: console2,
    nextAttemptAfter: Duration.millis(50),
    refusedAgainAfter: Duration.millis(100),
    storesFailedPolls: true,
    deletes: { times: Infinity, every: "10 seconds" },
    retryWaitsForDelete: false,
    deletesFinished: true
  }
}
