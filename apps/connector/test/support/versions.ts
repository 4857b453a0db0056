/** Both versions of Flyte as callers of the connector, in the same words: what holds for one is asked of the other too. */
import { create, type JsonObject } from "@bufbuild/protobuf"
import { Flyte1, Flyte2, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Effect } from "effect"
import { type CallFailed, type CallOptions, type FlyteClient } from "./FlyteClient.ts"
import * as tasks from "./tasks.ts"
import { teamPat } from "./World.ts"

/** A run, as Flyte hears of it. */
interface Run {
  readonly phase: string
  readonly message: string
  readonly links: ReadonlyArray<readonly [name: string, uri: string]>
  readonly info: JsonObject | undefined
}

/** One version of Flyte, connected. */
export interface Caller {
  readonly createTask: (task: tasks.TaskOptions, options?: CallOptions) => Effect.Effect<Uint8Array, CallFailed>
  readonly getTask: (resourceMeta: Uint8Array, options?: CallOptions) => Effect.Effect<Run, CallFailed>
  readonly deleteTask: (resourceMeta: Uint8Array, options?: CallOptions) => Effect.Effect<unknown, CallFailed>
  /** What the connector says that it serves: its name, and types of tasks. */
  readonly served: Effect.Effect<ReadonlyArray<readonly [name: string, types: ReadonlyArray<string>]>, CallFailed>
}

export interface Version {
  readonly name: string
  readonly services: ReadonlyArray<string>
  readonly taskTypes: ReadonlyArray<string>
  /** Variables of every job. */
  readonly jobVariables: Readonly<Record<string, string>>
  /** What an operator sets so that each tenant has an identity of its own. */
  readonly env: Readonly<Record<string, string>>
  /** A task of the tenant whose credentials are in this namespace: `team-…`. */
  readonly tenant: (namespace: string) => tasks.TaskOptions
  readonly connect: (flyte: FlyteClient) => Caller
  /** What the metadata of a run says that has the PAT of namespace `team-pat`. */
  readonly ofNamespacePat: Readonly<Record<string, string | null>>
}

const heard =
  ({ said }: FlyteClient) =>
  (run: Run): Run => {
    said.push(run.message, JSON.stringify(run.info))
    return run
  }

const flyte1: Version = {
  name: "Flyte 1",
  services: ["flyteidl.service.AsyncAgentService", "flyteidl.service.AgentMetadataService"],
  taskTypes: ["spark", "databricks"],
  jobVariables: { FLYTE_FAIL_ON_ERROR: "true" },
  env: {},
  ofNamespacePat: { auth_token: teamPat.token },
  tenant: (namespace) => ({ namespace }),
  connect: (flyte) => ({
    createTask: (task, options) => flyte.createTask(tasks.createTask(task), options),
    getTask: (resourceMeta, options) =>
      flyte.getTask(resourceMeta, options).pipe(
        Effect.map(({ phase, message, logLinks, customInfo }) => ({
          phase: Flyte1.TaskExecution_Phase[phase],
          message,
          links: logLinks.map(({ name, uri }) => [name, uri] as const),
          info: customInfo
        })),
        Effect.map(heard(flyte))
      ),
    deleteTask: flyte.deleteTask,
    served: Effect.map(flyte.listAgents, ({ agents }) =>
      agents.map(
        ({ name, supportedTaskCategories }) => [name, supportedTaskCategories.map(({ name }) => name)] as const
      )
    )
  })
}

const service = grpcServiceDefinition(Flyte2.AsyncConnectorService)
const metadata = grpcServiceDefinition(Flyte2.ConnectorMetadataService)
const taskCategory = create(Flyte2.TaskCategorySchema, { name: "databricks", version: 0 })

/** The secrets that Flyte 2 sends with each request of a task. */
export type Secrets = Readonly<Record<string, string>>

/** Flyte 2, whose tasks name these secrets. */
export const connectFlyte2 = (flyte: FlyteClient, secrets: Secrets = {}): Caller => {
  const connection = create(Flyte2.ConnectionSchema, { secrets: { ...secrets } })
  return {
    createTask: (task, options) =>
      Effect.map(
        flyte.call(service.createTask, createTask(task, secrets), options),
        ({ resourceMeta }) => resourceMeta
      ),
    getTask: (resourceMeta, options) =>
      flyte
        .call(
          service.getTask,
          create(Flyte2.GetTaskRequestSchema, {
            resourceMeta,
            taskCategory,
            connection,
            outputPrefix: "s3://flyte/out"
          }),
          options
        )
        .pipe(
          Effect.map(({ resource = create(Flyte2.ResourceSchema) }) => ({
            phase: Flyte2.TaskExecution_Phase[resource.phase],
            message: resource.message,
            links: resource.logLinks.map(({ name, uri }) => [name, uri] as const),
            info: resource.customInfo
          })),
          Effect.map(heard(flyte))
        ),
    deleteTask: (resourceMeta, options) =>
      flyte.call(
        service.deleteTask,
        create(Flyte2.DeleteTaskRequestSchema, { resourceMeta, taskCategory, connection }),
        options
      ),
    served: Effect.map(
      flyte.call(metadata.listConnectors, create(Flyte2.ListConnectorsRequestSchema)),
      ({ connectors }) =>
        connectors.map(
          ({ name, supportedTaskCategories }) => [name, supportedTaskCategories.map(({ name }) => name)] as const
        )
    )
  }
}

/** A request of Flyte 2: every namespace is one, and arguments are as its SDK writes them. */
export const createTask = (task: tasks.TaskOptions = {}, secrets: Secrets = {}): Flyte2.CreateTaskRequest => {
  const args = [
    "a0",
    "--inputs",
    "s3://flyte/in",
    "--run-name",
    "{{.runName}}",
    "--name",
    "{{.actionName}}",
    "mod",
    "m"
  ]
  const { template, taskExecutionMetadata } = tasks.fields({ namespace: "flyte", args, ...task })
  return create(Flyte2.CreateTaskRequestSchema, {
    template: { ...template, custom: { secrets: { databricks_token: null }, ...template.custom } },
    taskExecutionMetadata: {
      ...taskExecutionMetadata,
      labels: { organization: "flyte" },
      environmentVariables: { _U_ORG_NAME: "local", _U_RUN_BASE: "s3://flyte/run/" }
    },
    connection: { secrets: { ...secrets } }
  })
}

const flyte2: Version = {
  name: "Flyte 2",
  services: ["flyteidl2.connector.AsyncConnectorService", "flyteidl2.connector.ConnectorMetadataService"],
  taskTypes: ["databricks"],
  // Its entrypoint writes a task's failure down, where Flyte looks for it.
  jobVariables: {},
  env: { FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" },
  // Its own connector has no such runs, and looks for no token there.
  ofNamespacePat: { auth_type: "pat", auth_token: null, namespace: "team-pat" },
  tenant: (namespace) => {
    const [project = "", domain = ""] = namespace.split("-", 2)
    return { project, domain }
  },
  connect: connectFlyte2
}

export const versions: ReadonlyArray<Version> = [flyte1, flyte2]
