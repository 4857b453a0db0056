import { readFileSync } from "node:fs"

/** A request as Flyte's own code serialized it, and the `runs/submit` body that Flyte's Python connector makes of it. */
export interface RecordedRequest {
  readonly name: string
  readonly task_type: string
  readonly request_base64: string
  readonly runs_submit?: { readonly spark_python_task?: { readonly parameters: ReadonlyArray<string> } }
}

const read = (file: string): ReadonlyArray<RecordedRequest> =>
  JSON.parse(readFileSync(new URL(`fixtures/${file}`, import.meta.url), "utf8"))

export const flyte1Requests = read("flyte1-create-requests.json")
/** Tasks with pod templates, as flytekit 1.16.31 serialized them and the propeller of 1.16.8 rendered their pods. */
export const flyte1PodRequests: ReadonlyArray<Pick<RecordedRequest, "name" | "request_base64">> =
  read("flyte1-pod-requests.json")
export const flyte2Requests = read("flyte2-create-requests.json")

export const bytesOf = (request: Pick<RecordedRequest, "request_base64">): Buffer =>
  Buffer.from(request.request_base64, "base64")
