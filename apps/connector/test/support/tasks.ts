/** Requests as Flyte sends them. */
import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"

export interface TaskOptions {
  readonly namespace?: string
  readonly project?: string
  readonly domain?: string
  readonly execution?: string
  readonly node?: string
  readonly retryAttempt?: number
  readonly type?: string
  /** Keys of `custom` beside `databricksConf`. */
  readonly custom?: JsonObject
  readonly args?: Array<string>
  readonly databricksConf?: JsonObject
}

type Init = MessageInitShape<typeof Flyte1.CreateTaskRequestSchema>

/** The fields of a request to create a task, to be changed where a test wants another. */
export const fields = (options: TaskOptions = {}) =>
  ({
    template: {
      type: options.type ?? "databricks",
      custom: {
        databricksConf: options.databricksConf ?? { run_name: "nightly", existing_cluster_id: "0801-120000-abc" },
        ...options.custom
      },
      target: {
        case: "container",
        value: {
          image: "example.com/spark:v1",
          args: options.args ?? ["pyflyte-fast-execute", "--inputs", "s3://flyte/in"]
        }
      }
    },
    taskExecutionMetadata: {
      namespace: options.namespace ?? "team-pat",
      taskExecutionId: {
        taskId: { name: "workflows.nightly" },
        nodeExecutionId: {
          nodeId: options.node ?? "n0",
          executionId: {
            project: options.project ?? "billing",
            domain: options.domain ?? "production",
            name: options.execution ?? "f0c1d2e3"
          }
        },
        retryAttempt: options.retryAttempt ?? 0
      }
    }
  }) satisfies Init

export const createTask = (options?: TaskOptions): Flyte1.CreateTaskRequest =>
  create(Flyte1.CreateTaskRequestSchema, fields(options))
