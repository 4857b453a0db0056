import { Kubernetes } from "@flyte-databricks/databricks-auth/Kubernetes"
import { NodeServices } from "@effect/platform-node"
import * as Certificates from "@flyte-databricks/emulators/Certificates"
import { Fault, KubernetesApi } from "@flyte-databricks/emulators"
import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude, assertSome, assertTrue } from "@effect/vitest/utils"
import { Effect, FileSystem, Layer, Option, Redacted } from "effect"
import { X509Certificate } from "node:crypto"
import * as Https from "node:https"
import { ClusterConfig, KubernetesClient } from "@flyte-databricks/kubernetes"
import * as Emulated from "./support/emulated.ts"
import { listening } from "@flyte-databricks/emulators/testing/Network"

const secrets = [{ namespace: "team-a", name: "s", data: { token: "t" } }]
const read = Kubernetes.use(({ readSecret }) => readSecret("team-a", "s"))
const emulator = Layer.merge(KubernetesApi.layer({ tls: true, secrets }), NodeServices.layer)

const write = (file: string, content: string) =>
  FileSystem.FileSystem.use((fileSystem) => fileSystem.writeFileString(file, content))

/** A pod's mounted ServiceAccount for the emulator, and the service on it. */
const pod = Effect.fnUntraced(function* (token: string) {
  const api = yield* KubernetesApi.KubernetesApi
  const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  yield* write(`${directory}/ca.crt`, api.caPem!)
  yield* write(`${directory}/token`, token)
  const layer = KubernetesClient.layer(ClusterConfig.InCluster({ server: api.url, directory }))
  return { api, directory, layer: Layer.provide(layer, NodeServices.layer) }
})

const sent = (api: KubernetesApi.KubernetesApi["Service"]) =>
  Effect.map(api.requests.all(), (all) => all.map(({ headers }) => headers["authorization"]))

describe("a pod's own ServiceAccount", () => {
  it.effect("is read from the mounted files, and named in the summary", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const { layer } = yield* pod(Redacted.value(api.token))
      yield* Effect.gen(function* () {
        assertSome((yield* Kubernetes).cluster, `in-cluster (${api.url})`)
        assertTrue(Option.isSome(yield* read))
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(emulator))
  )

  it.effect("may have a token file that ends in a newline, without the token showing up in an error", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const token = Redacted.value(api.token)
      const { layer } = yield* pod(`${token}\n`)
      yield* Effect.gen(function* () {
        assertTrue(Option.isSome(yield* read))
        const body = { kind: "Status", reason: "InternalError", message: `bad token ${token}!` }
        yield* api.faults.add({ action: Fault.status(500, { body }) })
        assertInclude((yield* Effect.flip(read)).message, "bad token <redacted>!")
      }).pipe(Effect.provide(layer))
      assertEquals(yield* sent(api), [`Bearer ${token}`, `Bearer ${token}`])
    }).pipe(Effect.provide(emulator))
  )

  it.effect("is read again at once when its token is refused", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const { directory, layer } = yield* pod(Redacted.value(api.token))
      yield* Effect.gen(function* () {
        yield* read
        const rotated = yield* api.addUser({
          username: "system:serviceaccount:flyte:flyteconnector",
          token: "rotated-1"
        })
        yield* write(`${directory}/token`, Redacted.value(rotated.token))
        yield* api.revokeToken(api.token)
        assertTrue(Option.isSome(yield* read))
        assertTrue(Option.isSome(yield* read))
      }).pipe(Effect.provide(layer))
      const old = `Bearer ${Redacted.value(api.token)}`
      assertEquals(yield* sent(api), [old, old, "Bearer rotated-1", "Bearer rotated-1"])
    }).pipe(Effect.provide(emulator))
  )

  it.effect("is not sent twice when it is refused and has not changed", () =>
    Effect.gen(function* () {
      const { api, layer } = yield* pod("unknown-token")
      const error = yield* Effect.flip(read).pipe(Effect.provide(layer))
      assertEquals(error.reason._tag, "Unavailable")
      assertInclude(error.message, "answered 401: it does not accept the connector's credentials")
      assertTrue(!error.message.includes("unknown-token"))
      assertEquals(yield* api.requests.count(), 1)
    }).pipe(Effect.provide(emulator))
  )

  it.effect.each(["", "\n"])("is not asked with anonymously when its token file holds %j", (content) =>
    Effect.gen(function* () {
      const { api, layer } = yield* pod(content)
      const error = yield* Effect.flip(read).pipe(Effect.provide(layer))
      assertEquals(error.reason._tag, "Unavailable")
      assertInclude(error.message, "the credentials for it are empty")
      assertEquals(yield* api.requests.count(), 0)
    }).pipe(Effect.provide(emulator))
  )

  it.effect("names the token file that went away", () =>
    Effect.gen(function* () {
      const { directory, layer } = yield* pod("t-1")
      yield* (yield* FileSystem.FileSystem).remove(`${directory}/token`)
      const error = yield* Effect.flip(read).pipe(Effect.provide(layer))
      assertInclude(error.message, `the credentials for it cannot be read (ENOENT: ${directory}/token)`)
    }).pipe(Effect.provide(emulator))
  )

  it.effect("must have its certificate authority beside the token", () =>
    Effect.gen(function* () {
      const { directory, layer } = yield* pod("t-1")
      yield* (yield* FileSystem.FileSystem).remove(`${directory}/ca.crt`)
      const error = yield* Effect.flip(Effect.provide(read, layer))
      assertEquals(error._tag, "KubernetesConfigError")
      assertInclude(error.message, `(ENOENT: ${directory}/ca.crt)`)
    }).pipe(Effect.provide(emulator))
  )
})

describe("a kubeconfig's user", () => {
  const withUser = (user: Record<string, unknown>) =>
    KubernetesApi.KubernetesApi.use((api) =>
      Effect.succeed(
        Emulated.layerKubeconfig(
          Emulated.kubeconfig({
            cluster: { server: api.url, "certificate-authority-data": Buffer.from(api.caPem!).toString("base64") },
            user
          })
        )
      )
    )

  it.effect("may have a token file, which counts before a token", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const tokenFile = yield* Emulated.temporaryFile("token", Redacted.value(api.token))
      const layer = yield* withUser({ token: "stale-token", tokenFile })
      assertTrue(Option.isSome(yield* Effect.provide(read, layer)))
    }).pipe(Effect.provide(emulator))
  )

  it.effect("may have any token, which changes nothing of what an answer means", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const body = { kind: "Status", reason: "NotFound", details: { name: "s" }, message: "not found" }
      yield* api.faults.add({ action: Fault.status(404, { body }) })
      for (const token of ["o", "NotFound", "databricks-token"]) {
        assertTrue(Option.isNone(yield* Effect.provide(read, yield* withUser({ token }))))
      }
    }).pipe(Effect.provide(emulator))
  )

  it.effect("may have a name and a password", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const layer = yield* withUser({ username: "ann", password: "pa:ss" })
      const error = yield* Effect.flip(read).pipe(Effect.provide(layer))
      assertTrue(!error.message.includes("pa:ss"))
      assertEquals(yield* sent(api), [`Basic ${Buffer.from("ann:pa:ss").toString("base64")}`])
    }).pipe(Effect.provide(emulator))
  )

  /** An exec plugin that gives what a file holds and writes a line per run. */
  const plugin = Effect.fnUntraced(function* (status: Record<string, unknown>) {
    const file = yield* Emulated.temporaryFile("credential", "")
    const give = (status: Record<string, unknown>) =>
      write(file, JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status }))
    yield* give(status)
    const script =
      "const fs=require('fs');fs.appendFileSync(process.argv[1]+'.runs','.');console.log(fs.readFileSync(process.argv[1],'utf8'))"
    const runs = FileSystem.FileSystem.use((fs) =>
      Effect.map(fs.readFileString(`${file}.runs`), ({ length }) => length)
    )
    return {
      give,
      runs,
      exec: { apiVersion: "client.authentication.k8s.io/v1", command: process.execPath, args: ["-e", script, file] }
    }
  })

  it.effect("may have an exec plugin, which runs once for many callers and again when its token is refused", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const { exec, give, runs } = yield* plugin({ token: Redacted.value(api.token) })
      const layer = yield* withUser({ exec })
      yield* Effect.gen(function* () {
        const found = yield* Effect.all(
          Array.from({ length: 5 }, () => read),
          { concurrency: "unbounded" }
        )
        assertEquals(found.filter(Option.isSome).length, 5)
        assertEquals(yield* runs, 1)
        const rotated = yield* api.addUser({ username: "another" })
        yield* give({ token: Redacted.value(rotated.token) })
        yield* api.revokeToken(api.token)
        assertTrue(Option.isSome(yield* read))
        assertEquals(yield* runs, 2)
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(emulator))
  )

  it.effect("may have an exec plugin, whose words are not repeated when it fails", () =>
    Effect.gen(function* () {
      const args = ["-e", "console.error('denied for tok-secret-1'); process.exit(3)"]
      const layer = yield* withUser({ exec: { command: process.execPath, args } })
      const error = yield* Effect.flip(read).pipe(Effect.provide(layer))
      assertInclude(error.message, "the credentials for it cannot be read")
      assertTrue(!error.message.includes("tok-secret-1"))
    }).pipe(Effect.provide(emulator))
  )

  it.effect("may have a client certificate, and a new one gets a connection of its own", () =>
    Effect.gen(function* () {
      const certificate = yield* Certificates.loopbackCertificate
      const [first, second] = [yield* Certificates.loopbackCertificate, yield* Certificates.loopbackCertificate]
      const seen: Array<string> = []
      const server = Https.createServer(
        {
          key: certificate.privateKeyPem,
          cert: certificate.certificatePem,
          requestCert: true,
          rejectUnauthorized: false
        },
        (request, response) => {
          const { fingerprint256 = "" } = (request.socket as import("node:tls").TLSSocket).getPeerCertificate()
          seen.push(fingerprint256)
          const good = fingerprint256 === new X509Certificate(second.certificatePem).fingerprint256
          response.writeHead(good ? 200 : 401, { "content-type": "application/json" })
          response.end(JSON.stringify(good ? { kind: "Secret", data: {} } : { kind: "Status", code: 401 }))
        }
      )
      const port = yield* listening(server)
      const status = (from: Certificates.ServerCertificate) => ({
        clientCertificateData: from.certificatePem,
        clientKeyData: from.privateKeyPem
      })
      const { exec, give } = yield* plugin(status(first))
      const text = Emulated.kubeconfig({
        cluster: {
          server: `https://127.0.0.1:${port}`,
          "certificate-authority-data": Buffer.from(certificate.caPem).toString("base64")
        },
        user: { exec }
      })
      yield* Effect.gen(function* () {
        yield* Effect.flip(read)
        yield* give(status(second))
        assertTrue(Option.isSome(yield* read))
      }).pipe(Effect.provide(Emulated.layerKubeconfig(text)))
      const of = ({ certificatePem }: Certificates.ServerCertificate) =>
        new X509Certificate(certificatePem).fingerprint256
      assertEquals(seen, [of(first), of(first), of(second)])
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
