/**
 * The calls that connectors are measured by.
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

/** A create, and a poll of a run of this workspace. */
export const messages = (host: string) => ({
  CreateTask: Buffer.from(requests["weekly-report"] ?? "", "base64"),
  GetTask: toBinary(
    Flyte1.GetTaskRequestSchema,
    create(Flyte1.GetTaskRequestSchema, {
      resourceMeta: Buffer.from(
        JSON.stringify({ databricks_instance: host, run_id: "123", auth_type: "oauth_m2m", client_id: "client" })
      ),
      taskCategory: { name: "databricks" }
    })
  )
})

export const pathOf = (operation: string) => `/flyteidl.service.AsyncAgentService/${operation}`
