/** Creates that stand in line ahead of what they ask for. */
import { describe, it } from "@effect/vitest"
import { assertTrue } from "@effect/vitest/utils"
import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { JobsClient, JobSpec } from "@flyte-databricks/databricks-jobs"
import { ConfigProvider, Effect, Exit, Fiber, Layer, Option } from "effect"
import * as Audit from "../../src/audit/Audit.ts"
import * as Call from "../../src/call/Call.ts"
import { DatabricksConnector, layer, type Task } from "../../src/DatabricksConnector.ts"
import * as MetadataKey from "../../src/runs/MetadataKey.ts"

/** A connector that has one request under way at most. */
const connector = layer.pipe(
  Layer.provide([
    DatabricksAuth.layerMemory({
      settings: { instance: "dbc-a1b2.cloud.databricks.com", namespaceTemplate: "{project}-{domain}" },
      serviceAccounts: { "reports-production/default": {} },
      secrets: { "reports-production/databricks-token": { token: "dapi-of-the-namespace" } }
    }),
    JobsClient.layerMemory,
    Audit.layerNone,
    MetadataKey.layerNone,
    ConfigProvider.layer(ConfigProvider.fromEnv({ env: { FLYTE_DATABRICKS_MAX_CONCURRENT_REQUESTS: "1" } }))
  ])
)

const task = (execution: string): Task => ({
  taskType: "databricks",
  custom: { databricksConf: { existing_cluster_id: "cluster" } },
  container: { image: "image", args: [], env: {} },
  defaults: JobSpec.flyte1Defaults,
  namespace: "shared-by-all",
  attempt: { org: "", project: "reports", domain: "production", execution, node: "n0", task: "t", retryAttempt: 0 }
})

describe("a create", () => {
  it.effect("makes its request in its own turn, also where its identity's namespace is not the request's", () =>
    Effect.gen(function* () {
      const { create } = yield* DatabricksConnector
      for (const execution of ["first", "second", "third"]) {
        const asked = { read: Effect.succeed(task(execution)), letGo: () => undefined }
        // Time stands still: would it wait for another turn than it has, it would wait for good.
        const call = Call.run("CreateTask", Option.some(30_000), create(asked))
        const fiber = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
        for (let n = 0; n < 100; n++) yield* Effect.yieldNow
        assertTrue(fiber.pollUnsafe() !== undefined, execution)
        assertTrue(Exit.isSuccess(yield* Fiber.join(fiber)), execution)
      }
    }).pipe(Effect.provide(connector))
  )
})
