/**
 * What the callers of `bench -- connector` ask for.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { root } from "./connectors.ts"

const requests: Record<string, string> = JSON.parse(
  readFileSync(join(root, "apps/tour/flytekit/requests.json"), "utf8")
)

/** What a caller sends next. */
export type Message = () => Uint8Array

/** A poll of a run, whose metadata says more than where it is. */
export const poll = (host: string, metadata: Readonly<Record<string, string>>): Uint8Array =>
  toBinary(
    Flyte1.GetTaskRequestSchema,
    create(Flyte1.GetTaskRequestSchema, {
      resourceMeta: Buffer.from(JSON.stringify({ databricks_instance: host, run_id: "123", ...metadata })),
      taskCategory: { name: "databricks" }
    })
  )

export const messages = (host: string): Readonly<Record<"CreateTask" | "GetTask", Message>> => {
  const get = poll(host, { auth_type: "oauth_m2m", client_id: "client" })
  return { CreateTask: creates(), GetTask: () => get }
}

// The execution's name, of which no two creates have the same: an attempt that is created again is given the run that it has,
// and the workspace is not asked.
const name = (n: number): string => `bench${String(n).padStart(12, "0")}`

const creates = (): Message => {
  const request = fromBinary(Flyte1.CreateTaskRequestSchema, Buffer.from(requests["weekly-report"] ?? "", "base64"))
  const execution = request.taskExecutionMetadata?.taskExecutionId?.nodeExecutionId?.executionId
  if (execution === undefined) throw new Error("The recorded request names no execution.")
  execution.name = name(0)
  const bytes = Buffer.from(toBinary(Flyte1.CreateTaskRequestSchema, request))
  const at = bytes.indexOf(name(0))
  let created = 0
  return () => {
    const message = Buffer.from(bytes)
    message.write(name(++created), at)
    return message
  }
}

export const pathOf = (operation: string): string => `/flyteidl.service.AsyncAgentService/${operation}`

/** In turned order every other round. */
export const inTurn = <A>(all: ReadonlyArray<A>, round: number): ReadonlyArray<A> =>
  round % 2 === 0 ? all : all.toReversed()
