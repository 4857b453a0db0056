/** Who may call, looked up among the pods of a real API server, with the right that docs/security.md gives and no other. */
import { NodeServices } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import { PodAddresses } from "@flyte-databricks/kubernetes"
import { ConfigProvider, Duration, Effect, Layer, Redacted } from "effect"
import { readFileSync } from "node:fs"
import { Agent, request } from "undici"
import { parseAllDocuments } from "yaml"
import * as Callers from "../../src/grpc/Callers.ts"
import * as tasks from "../support/tasks.ts"
import { type Cluster, connectorAccount, inCluster } from "./support/Cluster.ts"
import type { Manifest } from "./support/manifests.ts"

/** The manifest of the document. */
const manifest = (namespace: string): ReadonlyArray<Manifest> => {
  const text = readFileSync(new URL("../../../../docs/security.md", import.meta.url), "utf8")
  const [, yaml = ""] = /```yaml\n(# The callers'[\s\S]*?)```/.exec(text) ?? []
  return parseAllDocuments(yaml).map((document) => {
    const object: Manifest = document.toJS()
    return { ...object, metadata: { ...object.metadata, namespace } }
  })
}

const listPods = { apiGroups: [""], resources: ["pods"], verbs: ["list"] }

interface Pod {
  readonly namespace: string
  readonly name: string
  readonly serviceAccount: string
  readonly ips: ReadonlyArray<string>
  readonly phase?: string
  readonly hostNetwork?: boolean
}

/** A pod as a kubelet would report it. */
const run = Effect.fnUntraced(function* (
  { controlPlane }: Cluster,
  { hostNetwork = false, ips, name, namespace, phase = "Running", serviceAccount }: Pod
) {
  yield* controlPlane.apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name },
    spec: {
      serviceAccountName: serviceAccount,
      hostNetwork,
      containers: [{ name: "main", image: "example.com/flyte" }]
    }
  })
  const dispatcher = new Agent({ connect: { ca: controlPlane.caPem } })
  const { body, statusCode } = yield* Effect.promise(() =>
    request(`${controlPlane.url}/api/v1/namespaces/${namespace}/pods/${name}/status`, {
      method: "PATCH",
      dispatcher,
      headers: {
        authorization: `Bearer ${Redacted.value(controlPlane.adminToken)}`,
        "content-type": "application/merge-patch+json"
      },
      body: JSON.stringify({ status: { phase, podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) } })
    })
  )
  const text = yield* Effect.promise(() => body.text())
  yield* Effect.promise(() => dispatcher.close())
  assert.strictEqual(statusCode, 200, text)
})

const withRight = Effect.fnUntraced(function* ({ controlPlane }: Cluster, namespace: string) {
  const objects = manifest(namespace)
  assert.deepStrictEqual(
    objects.flatMap(({ rules = [] }) => rules),
    [listPods]
  )
  yield* Effect.forEach(objects, controlPlane.apply)
  yield* controlPlane.untilAllowed(connectorAccount, { namespace, group: "", resource: "pods", verb: "list" })
})

const addressesOf = Effect.fnUntraced(function* ({ controlPlane }: Cluster, namespace: string, name: string) {
  const env = { KUBECONFIG: yield* controlPlane.kubeconfigFor(connectorAccount) }
  return yield* PodAddresses.PodAddresses.use((pods) => pods.of(namespace, name)).pipe(
    Effect.provide(PodAddresses.layerConfig),
    Effect.provide([ConfigProvider.layer(ConfigProvider.fromEnv({ env })), NodeServices.layer])
  )
})

// What the API server says counts at once.
const hasty = Layer.succeed(Callers.AddressTimes, {
  current: Duration.zero,
  pause: Duration.zero,
  outage: Duration.minutes(10)
})

inCluster("the pods of callers", (scenario) => {
  scenario("are those that run, as this ServiceAccount, on a network of their own", (cluster) =>
    Effect.gen(function* () {
      const namespace = yield* cluster.newNamespace()
      const other = yield* cluster.newNamespace()
      yield* withRight(cluster, namespace)
      const pod = { namespace, serviceAccount: "flytepropeller" }
      yield* run(cluster, { ...pod, name: "a", ips: ["10.1.0.1", "fd00::1"] })
      yield* run(cluster, { ...pod, name: "b", ips: ["10.1.0.2"] })
      yield* run(cluster, { ...pod, name: "pending", ips: ["10.1.0.3"], phase: "Pending" })
      yield* run(cluster, { ...pod, name: "over", ips: ["10.1.0.4"], phase: "Succeeded" })
      yield* run(cluster, { ...pod, name: "of-the-node", ips: ["10.1.0.5"], hostNetwork: true })
      yield* run(cluster, { namespace, name: "task", serviceAccount: "default", ips: ["10.1.0.6"] })
      yield* run(cluster, { ...pod, namespace: other, name: "elsewhere", ips: ["10.1.0.7"] })
      assert.deepStrictEqual((yield* addressesOf(cluster, namespace, "flytepropeller")).toSorted(), [
        "10.1.0.1",
        "10.1.0.2",
        "fd00::1"
      ])
      assert.deepStrictEqual(yield* addressesOf(cluster, namespace, "nobody"), [])
      const error = yield* Effect.flip(addressesOf(cluster, other, "flytepropeller"))
      assert(error._tag === "KubernetesError" && error.reason._tag === "Forbidden")
      // A connector that goes by them says so.
      const env = { FLYTE_DATABRICKS_CALLERS: `${namespace}/flytepropeller` }
      const { details } = yield* cluster.serving(env, ({ flyte }) => Effect.flip(flyte.createTask(tasks.createTask())))
      assert.include(details, "127.0.0.1 is the address of no pod")
    })
  )

  scenario("are let in, and nobody else is", (cluster) =>
    Effect.gen(function* () {
      const namespace = yield* cluster.newNamespace()
      const env = {
        FLYTE_DATABRICKS_CALLERS: `${namespace}/flytepropeller`,
        FLYTE_DATABRICKS_ACCESS_TOKEN: "pat-of-connector",
        FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore"
      }
      const task = tasks.createTask({ namespace })
      yield* cluster.serving(
        env,
        ({ flyte }) =>
          Effect.gen(function* () {
            // Without the right, nobody can be told from anybody.
            const unknown = yield* Effect.flip(flyte.createTask(task))
            assert.strictEqual(unknown.code, "UNAVAILABLE")
            assert.include(unknown.details, "pods is forbidden")

            yield* withRight(cluster, namespace)
            yield* run(cluster, { namespace, name: "task", serviceAccount: "default", ips: ["127.0.0.1"] })
            const stranger = yield* Effect.flip(flyte.createTask(task))
            assert.strictEqual(stranger.code, "PERMISSION_DENIED")
            assert.include(stranger.details, `no pod that runs as ${namespace}/flytepropeller`)
            assert.lengthOf((yield* flyte.listAgents).agents, 1)

            yield* run(cluster, { namespace, name: "propeller", serviceAccount: "flytepropeller", ips: ["127.0.0.1"] })
            assert.isNotEmpty(yield* flyte.createTask(task))
          }),
        hasty
      )
    })
  )
})
