/** Whom the connector believes, whatever its environment says: TLS is verified, to Databricks and to Kubernetes. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace, KubernetesApi } from "@flyte-databricks/emulators"
import * as Certificates from "@flyte-databricks/emulators/Certificates"
import * as Log from "@flyte-databricks/emulators/testing/Log"
import * as Network from "@flyte-databricks/emulators/testing/Network"
import { Effect, FileSystem } from "effect"
import { parse, stringify } from "yaml"
import * as ConnectorProcess from "./support/ConnectorProcess.ts"
import * as FlyteClient from "./support/FlyteClient.ts"
import * as tasks from "./support/tasks.ts"
import * as World from "./support/World.ts"

const slow = 60_000
const unverified = { NODE_TLS_REJECT_UNAUTHORIZED: "0" }

/** A kubeconfig for the API server that says nothing of its authority, or that there is nothing to verify. */
const kubeconfigWithoutCa = Effect.fnUntraced(function* (skip: boolean) {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped()
  const file = `${directory}/kubeconfig`
  const kubernetes = yield* KubernetesApi.make({ tls: true, kubeconfigFile: file, secrets: World.namespaceSecrets })
  const config = parse(yield* files.readFileString(file))
  for (const { cluster } of config.clusters) {
    delete cluster["certificate-authority-data"]
    if (skip) cluster["insecure-skip-tls-verify"] = true
  }
  yield* files.writeFileString(file, stringify(config))
  return { kubernetes, KUBECONFIG: file }
})

const started = Effect.fnUntraced(function* (env: Readonly<Record<string, string>>) {
  const connector = yield* ConnectorProcess.serve(env)
  const warnings = Effect.map(connector.log, (lines) =>
    lines.flatMap((line) => {
      const at = line.startsWith("{") ? Log.read(line) : undefined
      return at?.level === "WARN" ? [String(at.message)] : []
    })
  )
  return { warnings, flyte: yield* FlyteClient.make(`127.0.0.1:${connector.port}`, []) }
})

describe("NODE_TLS_REJECT_UNAUTHORIZED=0 does not count", () => {
  it.live(
    "to a workspace, and the log says so at start",
    () =>
      Effect.gen(function* () {
        const workspace = yield* DatabricksWorkspace.make({ ...World.workspaceOptions, tls: true })
        const env = { FLYTE_DATABRICKS_INSTANCE: workspace.url, ...World.withConnectorPat, ...unverified }
        const { flyte, warnings } = yield* started(env)
        assert.include((yield* warnings)[0], "NODE_TLS_REJECT_UNAUTHORIZED=0 does not count here")
        const { details } = yield* Effect.flip(flyte.createTask(tasks.createTask({ namespace: "" })))
        assert.match(details, /self-signed certificate|unable to verify/)
        assert.deepStrictEqual(yield* workspace.requests.all(), [])
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )

  it.live(
    "to a proxy, and to a workspace behind it",
    () =>
      Effect.gen(function* () {
        const workspace = yield* DatabricksWorkspace.make({ ...World.workspaceOptions, tls: true })
        const host = "dbc-a1b2.cloud.databricks.com"
        const certificate = yield* Certificates.loopbackCertificate
        for (const [options, tunnels] of [
          [{}, true],
          [{ certificate }, false]
        ] as const) {
          const proxy = yield* Network.proxy({ ...options, hosts: { [`${host}:443`]: workspace.url } })
          const env = { FLYTE_DATABRICKS_INSTANCE: host, HTTPS_PROXY: proxy.url, ...World.withConnectorPat }
          const { flyte } = yield* started({ ...env, ...unverified })
          const { details } = yield* Effect.flip(flyte.createTask(tasks.createTask({ namespace: "" })))
          assert.match(details, /certificate/)
          assert.strictEqual((yield* proxy.asked).length > 0, tunnels)
        }
        assert.deepStrictEqual(yield* workspace.requests.all(), [])
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )

  it.live(
    "to the Kubernetes API",
    () =>
      Effect.gen(function* () {
        const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
        const { kubernetes, KUBECONFIG } = yield* kubeconfigWithoutCa(false)
        const { flyte } = yield* started({ FLYTE_DATABRICKS_INSTANCE: workspace.url, KUBECONFIG, ...unverified })
        const { details } = yield* Effect.flip(flyte.createTask(tasks.createTask(), { timeout: 4000 }))
        assert.match(details, /SELF_SIGNED_CERT|UNABLE_TO_VERIFY/)
        assert.deepStrictEqual(yield* kubernetes.requests.all(), [])
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )
})

it.live(
  "a kubeconfig's insecure-skip-tls-verify counts, and is a warning at start",
  () =>
    Effect.gen(function* () {
      const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
      const { kubernetes, KUBECONFIG } = yield* kubeconfigWithoutCa(true)
      const { flyte, warnings } = yield* started({ FLYTE_DATABRICKS_INSTANCE: workspace.url, KUBECONFIG })
      const [warning, ...more] = yield* warnings
      assert.deepStrictEqual(more, [])
      assert.include(warning, `${kubernetes.url} is taken for the API server without proof`)
      assert.include(warning, KUBECONFIG)
      yield* flyte.createTask(tasks.createTask())
      assert.isAtLeast(yield* kubernetes.requests.count({ path: "*/secrets/*" }), 1)
    }).pipe(Effect.provide(NodeServices.layer)),
  slow
)
