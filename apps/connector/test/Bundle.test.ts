/** The bundle, as it is deployed: built, carried away from everything that it was built from, and started. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace, KubernetesApi } from "@flyte-databricks/emulators"
import { Effect, FileSystem } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import * as ConnectorProcess from "./support/ConnectorProcess.ts"
import * as FlyteClient from "./support/FlyteClient.ts"
import * as tasks from "./support/tasks.ts"
import * as World from "./support/World.ts"

const app = fileURLToPath(new URL("..", import.meta.url))

describe("the bundle", () => {
  it.live("serves without node_modules: it is healthy, and runs a task as its namespace's own identity", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      const build = yield* ChildProcess.make(process.execPath, ["tools/build.ts", `${directory}/connector`], {
        cwd: app
      })
      assert.strictEqual(Number(yield* build.exitCode), 0)

      const kubeconfig = `${directory}/kubeconfig`
      const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
      // The Kubernetes client is in a part of the bundle that is read once a cluster is configured.
      yield* KubernetesApi.make({ tls: true, kubeconfigFile: kubeconfig, secrets: World.namespaceSecrets })
      const env = { FLYTE_DATABRICKS_INSTANCE: workspace.url, KUBECONFIG: kubeconfig }
      const connector = yield* ConnectorProcess.serve(env, [], `${directory}/connector/main.js`)
      const flyte = yield* FlyteClient.make(`127.0.0.1:${connector.port}`, [])
      assert.strictEqual(yield* flyte.health(""), "SERVING")

      const resourceMeta = yield* flyte.createTask(tasks.createTask())
      const { customInfo } = yield* flyte.getTask(resourceMeta)
      assert.strictEqual(customInfo?.["run_id"], String((yield* workspace.runs)[0]?.runId))
      yield* connector.signal("SIGTERM")
      assert.strictEqual(yield* connector.exitCode, 0)
      assert.deepStrictEqual(
        (yield* connector.calls).map(({ message, annotations: { origin, outcome } }) => [message, origin, outcome]),
        [
          ["CreateTask", "Secret team-pat/databricks-token", "ok"],
          ["GetTask", "auth_token of the job metadata", "ok"]
        ]
      )
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
