import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Redacted } from "effect"
import { X509Certificate } from "node:crypto"
import { request } from "node:https"
import { DatabricksWorkspace, KubernetesApi } from "../src/index.ts"

/** Asks over HTTPS, with the CA and nothing else trusted. */
const over = (url: string, ca: string | undefined, headers: Record<string, string> = {}) =>
  Effect.callback<string>((resume) => {
    request(url, { ca: ca ?? [], headers }, (response) => {
      response.resume()
      resume(Effect.succeed(`${response.statusCode}`))
    })
      .on("error", (error: NodeJS.ErrnoException) => resume(Effect.succeed(error.code ?? error.message)))
      .end()
  })

const config = "/.well-known/databricks-config"

describe("an emulator over HTTPS", () => {
  it.effect("is trusted under each of its names by clients that have its CA, and by no others", () =>
    Effect.gen(function* () {
      const { caPem, url } = yield* DatabricksWorkspace.make({ tls: true })
      const { port, protocol } = new URL(url)
      assert.strictEqual(protocol, "https:")
      assert.strictEqual(yield* over(`https://127.0.0.1:${port}${config}`, caPem), "200")
      assert.strictEqual(yield* over(`https://localhost:${port}${config}`, caPem), "200")
      assert.strictEqual(yield* over(`${url}${config}`, undefined), "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
      const other = yield* DatabricksWorkspace.make({ tls: true })
      assert.strictEqual(yield* over(`${url}${config}`, other.caPem), "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
    })
  )

  it.effect("listens on IPv6 where asked", () =>
    Effect.gen(function* () {
      const { caPem, url } = yield* DatabricksWorkspace.make({ tls: true, host: "::1" })
      assert.match(url, /^https:\/\/\[::1\]:\d+$/)
      assert.strictEqual(yield* over(`${url}${config}`, caPem), "200")
    })
  )

  it.effect("writes its CA where the option says", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const caFile = `${yield* files.makeTempDirectoryScoped()}/ca.pem`
      const { caPem } = yield* KubernetesApi.make({ tls: { caFile } })
      const written = yield* files.readFileString(caFile)
      assert.strictEqual(written, caPem)
      assert.isTrue(new X509Certificate(written).ca)
      assert.notInclude(written, "PRIVATE KEY")
    }).pipe(Effect.provide(NodeServices.layer))
  )
})

describe("a kubeconfig", () => {
  it.effect("is all that a client needs", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const kubeconfigFile = `${yield* files.makeTempDirectoryScoped()}/kubeconfig`
      yield* KubernetesApi.make({
        tls: true,
        kubeconfigFile,
        secrets: [{ namespace: "ns", name: "s", data: { k: "v" } }]
      })
      const {
        clusters,
        contexts,
        "current-context": current,
        users
      } = JSON.parse(yield* files.readFileString(kubeconfigFile))
      const { context } = contexts.find(({ name }: { name: string }) => name === current)
      const { cluster } = clusters.find(({ name }: { name: string }) => name === context.cluster)
      const { user } = users.find(({ name }: { name: string }) => name === context.user)
      const ca = Buffer.from(cluster["certificate-authority-data"], "base64").toString()
      const headers = { authorization: `Bearer ${user.token}` }
      assert.strictEqual(yield* over(`${cluster.server}/api/v1/namespaces/ns/secrets/s`, ca, headers), "200")
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("of a plain HTTP API turns verification off, which clients ask for", () =>
    Effect.gen(function* () {
      const { kubeconfig, token, url } = yield* KubernetesApi.make()
      const { clusters, users } = JSON.parse(kubeconfig)
      assert.deepStrictEqual(clusters[0].cluster, { server: url, "insecure-skip-tls-verify": true })
      assert.strictEqual(users[0].user.token, Redacted.value(token))
    })
  )
})

describe("an emulator that cannot start", () => {
  it.effect("says that the port is taken", () =>
    Effect.gen(function* () {
      const { url } = yield* DatabricksWorkspace.make()
      const port = Number(new URL(url).port)
      const error = yield* Effect.flip(KubernetesApi.make({ port }))
      assert.strictEqual(error.reason._tag, "ListenFailed")
      assert.match(error.message, new RegExp(`^Cannot listen on 127.0.0.1:${port}: the port is taken`))
    })
  )

  it.effect("says which file it could not write", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(DatabricksWorkspace.make({ tls: { caFile: "/nowhere/ca.pem" } }))
      assert.strictEqual(error.reason._tag, "FileNotWritten")
      assert.match(error.message, /^Cannot write the CA certificate to \/nowhere\/ca\.pem/)
    })
  )

  it.effect("frees its port when it stops", () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.scoped(DatabricksWorkspace.make())
      const again = yield* DatabricksWorkspace.make({ port: Number(new URL(url).port) })
      assert.strictEqual(again.url, url)
    })
  )
})
