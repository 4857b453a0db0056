import { Flyte1, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import type * as JobSpec from "@flyte-databricks/databricks-jobs/JobSpec"
import { Option } from "effect"
import { readFileSync } from "node:fs"

export interface CreateRequest {
  readonly name: string
  readonly task: JobSpec.Task
  /** What Flyte's Python connector submits for it. */
  readonly body: unknown
}

interface RecordedRequest {
  readonly name: string
  readonly request_base64: string
  readonly runs_submit: unknown
}

const recorded: ReadonlyArray<RecordedRequest> = JSON.parse(
  readFileSync(new URL("../../../flyte-protocol/test/fixtures/flyte1-create-requests.json", import.meta.url), "utf8")
)

const { requestDeserialize } = grpcServiceDefinition(Flyte1.AsyncAgentService).createTask

/** Tasks that flytekit serialised, beside the body that Flyte's Python connector makes of each. */
export const createRequests: ReadonlyArray<CreateRequest> = recorded.map(({ name, request_base64, runs_submit }) => {
  const { template } = requestDeserialize(Buffer.from(request_base64, "base64"))
  if (template?.target.case !== "container") throw new Error(`${name} has no container`)
  const { image, args, env } = template.target.value
  return {
    name,
    body: runs_submit,
    task: {
      custom: template.custom,
      container: { image, args, env: Object.fromEntries(env.map(({ key, value }) => [key, value])) },
      serviceCredentialProvider: Option.none()
    }
  }
})
