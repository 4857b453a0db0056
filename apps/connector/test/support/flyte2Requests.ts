/** Requests that Flyte 2's own executor sent, beside what Flyte 2's Python connector makes of each. */
import { Flyte2, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { readFileSync } from "node:fs"

/** A body of `runs/submit`, as far as tests look into it. */
export interface Body {
  readonly [key: string]: unknown
  readonly spark_python_task: { readonly parameters: ReadonlyArray<string> }
}

export interface RecordedRequest {
  readonly name: string
  readonly request: Flyte2.CreateTaskRequest
  /** What Flyte 2's Python connector submits; none where it raises. */
  readonly body: Body | undefined
}

interface OnDisk {
  readonly name: string
  readonly request_base64: string
  readonly runs_submit?: Body
}

const fixtures = new URL(
  "../../../../packages/flyte-protocol/test/fixtures/flyte2-create-requests.json",
  import.meta.url
)
const onDisk: ReadonlyArray<OnDisk> = JSON.parse(readFileSync(fixtures, "utf8"))
const { requestDeserialize } = grpcServiceDefinition(Flyte2.AsyncConnectorService).createTask

export const flyte2Requests: ReadonlyArray<RecordedRequest> = onDisk.map(({ name, request_base64, runs_submit }) => ({
  name,
  request: requestDeserialize(Buffer.from(request_base64, "base64")),
  body: runs_submit
}))
