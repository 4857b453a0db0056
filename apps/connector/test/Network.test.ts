/** The connector in a network that has one way out: a proxy. It is for Databricks, and never for the Kubernetes API. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace, KubernetesApi } from "@flyte-databricks/emulators"
import * as Network from "@flyte-databricks/emulators/testing/Network"
import { Effect, FileSystem } from "effect"
import * as ConnectorProcess from "./support/ConnectorProcess.ts"
import * as FlyteClient from "./support/FlyteClient.ts"
import * as tasks from "./support/tasks.ts"
import { namespaceSecrets, workspaceOptions } from "./support/World.ts"

const host = "dbc-a1b2.cloud.databricks.com"

describe("a connector that starts with HTTPS_PROXY", () => {
  const authorities = ["FLYTE_DATABRICKS_CA_FILE", "NODE_EXTRA_CA_CERTS"]
  it.live.each(authorities)(
    "reaches Databricks through it and the Kubernetes API without, with the workspace's authority in %s",
    (variable) =>
      Effect.gen(function* () {
        const directory = yield* FileSystem.FileSystem.use((files) => files.makeTempDirectoryScoped())
        const caFile = `${directory}/ca.pem`
        const kubeconfig = `${directory}/kubeconfig`
        const workspace = yield* DatabricksWorkspace.make({ ...workspaceOptions, tls: { caFile, names: [host] } })
        const kubernetes = yield* KubernetesApi.make({
          tls: true,
          kubeconfigFile: kubeconfig,
          secrets: namespaceSecrets
        })
        // It opens tunnels to anywhere, the Kubernetes API too.
        const proxy = yield* Network.proxy({ hosts: { [`${host}:443`]: workspace.url } })

        const { port } = yield* ConnectorProcess.serve({
          FLYTE_DATABRICKS_INSTANCE: host,
          KUBECONFIG: kubeconfig,
          HTTPS_PROXY: proxy.url,
          https_proxy: proxy.url,
          HTTP_PROXY: proxy.url,
          http_proxy: proxy.url,
          [variable]: caFile
        })
        const flyte = yield* FlyteClient.make(`127.0.0.1:${port}`, [])
        const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-oauth" }))
        yield* flyte.getTask(resourceMeta)
        yield* flyte.deleteTask(resourceMeta)

        assert.isAtLeast(yield* kubernetes.requests.count({ path: "*/secrets/*" }), 1)
        assert.strictEqual(yield* workspace.requests.count({ path: "/oidc/v1/token" }), 1)
        assert.strictEqual(yield* workspace.requests.count({ path: "/api/2.1/jobs/runs/*" }), 3)
        assert.deepStrictEqual([...new Set(yield* proxy.asked)], [`${host}:443`])
      }).pipe(Effect.provide(NodeServices.layer)),
    60_000
  )
})
