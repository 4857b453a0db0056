import { Kubernetes } from "@flyte-databricks/databricks-auth/Kubernetes"
import { NodeServices } from "@effect/platform-node"
import { KubernetesApi } from "@flyte-databricks/emulators"
import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude, assertNone, assertSome, assertTrue } from "@effect/vitest/utils"
import { ConfigProvider, Effect, FileSystem, Layer, Logger, Option } from "effect"
import { KubernetesClient } from "@flyte-databricks/kubernetes"
import { kubeconfig, temporaryFile } from "./support/emulated.ts"

const layerIn = (env: Record<string, string>) =>
  KubernetesClient.layerConfig.pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
    Layer.provide(NodeServices.layer)
  )

const clusterIn = (env: Record<string, string>) =>
  Kubernetes.use(({ cluster }) => Effect.succeed(cluster)).pipe(Effect.provide(layerIn(env)))

/** What the layer fails with when KUBECONFIG names a file that holds this. */
const refusal = (text: string) =>
  Effect.gen(function* () {
    const file = yield* temporaryFile("kubeconfig", text)
    const error = yield* Effect.flip(clusterIn({ KUBECONFIG: file }))
    assertEquals(error._tag, "KubernetesConfigError")
    assertInclude(error.message, file)
    return error.message
  }).pipe(Effect.provide(NodeServices.layer))

const cluster = { server: "https://127.0.0.1:6443" }
const user = { token: "tok-secret-1" }

describe("a connector without a cluster", () => {
  it.effect("finds nothing there, and says so once in the log", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => lines.push(`${logLevel} ${String(message)}`))
      const layer = Layer.provide(layerIn({}), Logger.layer([logger]))
      yield* Effect.gen(function* () {
        const kubernetes = yield* Kubernetes
        assertNone(kubernetes.cluster)
        assertNone(yield* kubernetes.readSecret("team-a", "databricks-token"))
        assertNone(yield* kubernetes.readSecret("team-b", "databricks-token"))
      }).pipe(Effect.provide(layer))
      assertEquals(lines.length, 1)
      assertInclude(lines[0], "Info No Kubernetes is configured")
    })
  )
})

describe("a connector with a kubeconfig", () => {
  it.effect("names the context and the server", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile("kubeconfig", kubeconfig({ cluster, user }))
      assertSome(yield* clusterIn({ KUBECONFIG: file }), "kubeconfig context test (https://127.0.0.1:6443)")
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("finds the one at home", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const fileSystem = yield* FileSystem.FileSystem
      const home = yield* fileSystem.makeTempDirectoryScoped()
      yield* fileSystem.makeDirectory(`${home}/.kube`)
      yield* fileSystem.writeFileString(`${home}/.kube/config`, api.kubeconfig)
      yield* api.setSecret({ namespace: "team-a", name: "s", data: { token: "t" } })
      const found = yield* Kubernetes.use(({ readSecret }) => readSecret("team-a", "s")).pipe(
        Effect.provide(layerIn({ HOME: home }))
      )
      assertTrue(Option.isSome(found))
    }).pipe(Effect.provide([KubernetesApi.layer(), NodeServices.layer]))
  )

  it.effect("merges several files as kubectl does: the first current context counts", () =>
    Effect.gen(function* () {
      const doc = (content: object) => JSON.stringify({ apiVersion: "v1", kind: "Config", ...content })
      const clusters = [{ name: "c", cluster }]
      const contexts = (name: string) => [{ name, context: { cluster: "c", user: "u" } }]
      const files = [
        yield* temporaryFile("1", doc({ clusters })),
        yield* temporaryFile("2", doc({ contexts: contexts("first"), "current-context": "first" })),
        yield* temporaryFile(
          "3",
          doc({ contexts: contexts("second"), users: [{ name: "u", user }], "current-context": "second" })
        )
      ]
      assertSome(yield* clusterIn({ KUBECONFIG: files.join(":") }), "kubeconfig context first (https://127.0.0.1:6443)")
    }).pipe(Effect.provide(NodeServices.layer))
  )
})

describe("a kubeconfig that cannot be used stops the start", () => {
  it.effect("where it does not exist", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(clusterIn({ KUBECONFIG: "/no/such/kubeconfig" }))
      assertEquals(
        error.message,
        "The kubeconfig /no/such/kubeconfig (named by KUBECONFIG) cannot be read: it does not exist. " +
          "Correct the path or the file's permissions; to run without that cluster, stop naming the file."
      )
    })
  )

  const config = (fields: object) => {
    const whole = JSON.parse(kubeconfig({ cluster, user })) as Record<string, unknown>
    return JSON.stringify({ ...whole, ...fields })
  }

  it.effect.each<readonly [string, string, string]>([
    ["it is empty", "", "it is not a kubeconfig"],
    ["it is something else", "just text", "has no current context"],
    ["it is not YAML", "clusters: [\n  - token: tok-secret-1\nfoo: }", "it is not valid YAML (line "],
    [
      "a cluster has no server",
      config({ clusters: [{ name: "c", cluster: {} }] }),
      "clusters[0].cluster.server is missing"
    ],
    ["no context is chosen", config({ "current-context": "" }), "it has no current context (contexts: test)"],
    [
      "the context chosen does not exist",
      config({ "current-context": "x" }),
      'its current context "x" does not exist (contexts: test)'
    ],
    [
      "its cluster does not exist",
      config({ clusters: [] }),
      'context "test" names the cluster "test-cluster", which does not exist'
    ],
    [
      "its user does not exist",
      config({ users: [] }),
      'context "test" names the user "test-user", which does not exist'
    ],
    [
      "its context has no user",
      config({ contexts: [{ name: "test", context: { cluster: "test-cluster" } }] }),
      'context "test" names the user "", which does not exist'
    ],
    ["its user has no credentials", kubeconfig({ cluster, user: {} }), 'user "test-user" has no credentials'],
    ["its server is no URL", kubeconfig({ cluster: { server: "nowhere" }, user }), "its server is not a URL"],
    [
      "its server is not HTTP",
      kubeconfig({ cluster: { server: "ftp://h" }, user }),
      "ftp://h is neither https nor http"
    ],
    [
      "its server is plain HTTP without saying that it may be",
      kubeconfig({ cluster: { server: "http://127.0.0.1:1" }, user }),
      'is plain HTTP, which needs "insecure-skip-tls-verify: true" beside it'
    ],
    [
      "its server has credentials in its address",
      kubeconfig({ cluster: { server: "https://ann:tok-secret-1@h" }, user }),
      "its server https://h has credentials in its address"
    ],
    [
      "its proxy is of a kind that is not known",
      kubeconfig({ cluster: { ...cluster, "proxy-url": "socks4://h:1" }, user }),
      "its proxy-url is not an http, https or socks5 URL"
    ],
    [
      "its certificate authority is not PEM",
      kubeconfig({ cluster: { ...cluster, "certificate-authority-data": "bm90IFBFTQ==" }, user }),
      "its certificate authority is not in PEM format"
    ],
    [
      "its certificate authority's file does not exist",
      kubeconfig({ cluster: { ...cluster, "certificate-authority": "/no/ca.crt" }, user }),
      "(ENOENT: /no/ca.crt)"
    ],
    [
      "its client certificate is broken",
      kubeconfig({ cluster, user: { "client-certificate-data": "bm90IFBFTQ==", "client-key-data": "bm90IFBFTQ==" } }),
      "its certificates or key cannot be used (ERR_"
    ]
  ])("where %s", ([, text, problem]) =>
    Effect.gen(function* () {
      const message = yield* refusal(text)
      assertInclude(message, problem)
      assertTrue(!message.includes("tok-secret-1"))
    })
  )

  it.effect("where two files define the same name", () =>
    Effect.gen(function* () {
      const text = kubeconfig({ cluster, user })
      const files = [yield* temporaryFile("1", text), yield* temporaryFile("2", text)]
      const error = yield* Effect.flip(clusterIn({ KUBECONFIG: files.join(":") }))
      assertInclude(error.message, `${files[1]} cannot be used: Duplicate cluster: test-cluster`)
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
