/**
 * The service under test on the Kubernetes emulator.
 */
import { KubernetesApi } from "@flyte-databricks/emulators"
import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer, Path, Redacted } from "effect"
import { ClusterConfig, KubernetesClient } from "@flyte-databricks/kubernetes"
import { TestCluster } from "./TestCluster.ts"

/** Writes a file that is gone with the test. */
export const temporaryFile = Effect.fnUntraced(function* (name: string, content: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const file = (yield* Path.Path).join(yield* fileSystem.makeTempDirectoryScoped(), name)
  yield* fileSystem.writeFileString(file, content)
  return file
})

/** What a kubeconfig with one cluster, one user and one context holds. */
export const kubeconfig = (options: {
  readonly cluster: Readonly<Record<string, unknown>>
  readonly user: Readonly<Record<string, unknown>>
}): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test-cluster", cluster: options.cluster }],
    users: [{ name: "test-user", user: options.user }],
    contexts: [{ name: "test", context: { cluster: "test-cluster", user: "test-user" } }],
    "current-context": "test"
  })

/** The service on a kubeconfig with this text. */
export const layerKubeconfig = (text: string) =>
  Layer.unwrap(
    Effect.map(temporaryFile("kubeconfig", text), (file) =>
      KubernetesClient.layer(ClusterConfig.Kubeconfig({ files: [file], namedBy: "the test" }))
    )
  ).pipe(Layer.provide(NodeServices.layer))

/** The service as a pod has it: on a mounted ServiceAccount. */
export const layerPod = Layer.unwrap(
  Effect.gen(function* () {
    const api = yield* KubernetesApi.KubernetesApi
    const files = yield* FileSystem.FileSystem
    const directory = yield* files.makeTempDirectoryScoped()
    yield* files.writeFileString(`${directory}/ca.crt`, api.caPem ?? "")
    yield* files.writeFileString(`${directory}/token`, Redacted.value(api.token))
    return KubernetesClient.layer(ClusterConfig.InCluster({ server: api.url, directory }))
  })
).pipe(Layer.provide(NodeServices.layer))

/** The same, with the contract's view. */
export const layerInPod = Layer.suspend(() =>
  Layer.merge(layerPod, layerTestCluster).pipe(Layer.provideMerge(KubernetesApi.layer({ tls: true })))
)

/** The service, the emulator it talks to, and the contract's view of it. */
export const layer = (options: KubernetesApi.Options = {}) =>
  Layer.merge(
    Layer.unwrap(KubernetesApi.KubernetesApi.use((api) => Effect.succeed(layerKubeconfig(api.kubeconfig)))),
    layerTestCluster
  ).pipe(Layer.provideMerge(KubernetesApi.layer(options)))

const layerTestCluster = Layer.effect(
  TestCluster,
  Effect.gen(function* () {
    const api = yield* KubernetesApi.KubernetesApi
    return {
      setSecret: (namespace, name, data) => Effect.orDie(api.setSecret({ namespace, name, data })),
      deleteSecret: (namespace, name) => Effect.asVoid(api.deleteSecret({ namespace, name })),
      forbidSecret: (namespace, name) =>
        api.addRule({ effect: "deny", resources: ["secrets"], namespaces: [namespace], names: [name] }),
      setServiceAccount: (namespace, name, options) =>
        Effect.orDie(api.setServiceAccount({ namespace, name, ...options })),
      deleteServiceAccount: (namespace, name) => Effect.asVoid(api.deleteServiceAccount({ namespace, name })),
      forbidServiceAccounts: (namespace) =>
        api.addRule({ effect: "deny", verbs: ["list"], resources: ["serviceaccounts"], namespaces: [namespace] }),
      forbidTokens: (namespace) =>
        api.addRule({ effect: "deny", resources: ["serviceaccounts/token"], namespaces: [namespace] })
    }
  })
)
