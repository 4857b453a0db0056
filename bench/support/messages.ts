/**
 * What the callers of `bench -- connector` ask for.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { create, toBinary } from "@bufbuild/protobuf"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { root } from "./connectors.ts"

// Flyte numbers executions; the bench's single one is created again and again, which the workspace here does not mind.
const requests: Record<string, string> = JSON.parse(
  readFileSync(join(root, "apps/tour/flytekit/requests.json"), "utf8")
)

/** A poll of a run, whose metadata says more than where it is. */
export const poll = (host: string, metadata: Readonly<Record<string, string>>): Uint8Array =>
  toBinary(
    Flyte1.GetTaskRequestSchema,
    create(Flyte1.GetTaskRequestSchema, {
      resourceMeta: Buffer.from(JSON.stringify({ databricks_instance: host, run_id: "123", ...metadata })),
      taskCategory: { name: "databricks" }
    })
  )

export const messages = (host: string) => ({
  CreateTask: Buffer.from(requests["weekly-report"] ?? "", "base64"),
  GetTask: poll(host, { auth_type: "oauth_m2m", client_id: "client" })
})

export const pathOf = (operation: string): string => `/flyteidl.service.AsyncAgentService/${operation}`

/** In turned order every other round. */
export const inTurn = <A>(all: ReadonlyArray<A>, round: number): ReadonlyArray<A> =>
  round % 2 === 0 ? all : all.toReversed()
