/** Requests of tasks with pod templates: flytekit serialised the tasks, and Flyte 1's propeller rendered their pods. */
import { assert } from "@effect/vitest"
import { Flyte1, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { readFileSync } from "node:fs"

interface OnDisk {
  readonly name: string
  readonly request_base64: string
}

const fixtures = new URL("../../../../packages/flyte-protocol/test/fixtures/flyte1-pod-requests.json", import.meta.url)
const { requestDeserialize } = grpcServiceDefinition(Flyte1.AsyncAgentService).createTask

export const flyte1PodRequests: ReadonlyArray<OnDisk> = JSON.parse(readFileSync(fixtures, "utf8"))

export const flyte1PodRequest = (name: string): Flyte1.CreateTaskRequest => {
  const found = flyte1PodRequests.find((request) => request.name === name)
  assert(found !== undefined, name)
  return requestDeserialize(Buffer.from(found.request_base64, "base64"))
}
