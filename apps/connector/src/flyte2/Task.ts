/**
 * A Flyte 2 request to create a task, in the connector's words.
 */
import type { Connection } from "@flyte-databricks/databricks-auth"
import { Flyte2Entrypoint, JobSpec } from "@flyte-databricks/databricks-jobs"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { ConnectorError, type Failure, RequestIncomplete } from "../call/ConnectorError.ts"
import type { Task } from "../DatabricksConnector.ts"
import { onBehalfOf } from "../audit/onBehalfOf.ts"
import { containerOf } from "../TaskContainer.ts"
import type * as Requests from "./Requests.ts"

/**
 * The task that the request asks for. Labels may be its author's, so they say nothing of who it is, but for one that the
 * operator names: the organization's, which open-source Flyte 2 leaves out of the execution's id.
 */
export const toTask = (request: Requests.CreateTask, orgLabel: Option.Option<string>): Result.Result<Task, Failure> => {
  const { template, taskExecutionMetadata: metadata } = request
  if (template === undefined) return incomplete("a task template")
  const id = metadata?.taskExecutionId
  const node = id?.nodeExecutionId
  const execution = node?.executionId
  // Without them all tasks would be one attempt to Databricks, and a second task would get the run of the first.
  if (!execution?.name) return incomplete("an execution id (task_execution_metadata.task_execution_id)")
  if (!node?.nodeId) return incomplete("an action's name (node_id of task_execution_metadata.task_execution_id)")
  return Result.map(containerOf(template), (container) => {
    const { labels = {}, environmentVariables = {} } = metadata ?? {}
    const variables: Readonly<Record<string, string>> = { ...container?.env, ...environmentVariables }
    const attempt = {
      org: firstKnown(execution.org, Option.isSome(orgLabel) ? labels[orgLabel.value] : undefined),
      project: firstKnown(execution.project),
      domain: firstKnown(execution.domain),
      execution: execution.name,
      node: node.nodeId,
      task: id?.taskId?.name ?? "",
      retryAttempt: id?.retryAttempt ?? 0
    }
    return {
      taskType: template.type,
      custom: template.custom,
      container: container && {
        ...container,
        args: Flyte2Entrypoint.complete(container.args, {
          runName: attempt.execution,
          actionName: attempt.node,
          project: attempt.project,
          domain: attempt.domain,
          // The variable is what a pod would hear; Flyte 2 leaves the id's organization empty.
          org: firstKnown(execution.org, variables["_U_ORG_NAME"], labels["organization"]),
          runBaseDir: firstKnown(variables["_U_RUN_BASE"])
        })
      },
      defaults: JobSpec.flyte2Defaults,
      namespace: metadata?.namespace ?? "",
      attempt,
      onBehalfOf: onBehalfOf(metadata),
      connection: toConnection(request.connection)
    }
  })
}

/**
 * The secrets that a request carries. From here on nothing shows them.
 */
export const toConnection = (connection: Requests.CreateTask["connection"]): Connection.Connection => ({
  databricksToken: Option.map(Option.fromUndefinedOr(connection?.secrets["databricks_token"]), (token) =>
    Redacted.make(token, { label: "PAT" })
  )
})

const firstKnown = (...values: ReadonlyArray<string | undefined>): string =>
  values.map((value) => value?.trim()).find(Boolean) ?? ""

const incomplete = (missing: string): Result.Result<never, Failure> =>
  Result.fail(new ConnectorError({ reason: new RequestIncomplete({ operation: "CreateTask", missing }) }))
