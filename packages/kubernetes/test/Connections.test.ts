import { Kubernetes } from "@flyte-databricks/databricks-auth/Kubernetes"
import * as Certificates from "@flyte-databricks/emulators/Certificates"
import { Fault, KubernetesApi } from "@flyte-databricks/emulators"
import * as Network from "@flyte-databricks/emulators/testing/Network"
import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude, assertTrue } from "@effect/vitest/utils"
import { ConfigProvider, Effect, Exit, Fiber, Layer, Option, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Emulated from "./support/emulated.ts"
import { httpServer, relay } from "./support/servers.ts"
import { getCACertificates, setDefaultCACertificates } from "node:tls"

const secrets = [{ namespace: "team-a", name: "s", data: { token: "t" } }]

const read = Kubernetes.use(({ readSecret }) => readSecret("team-a", "s"))

const base64 = (text: string) => Buffer.from(text).toString("base64")

/** The service on the emulator, with the sockets between the two in view. */
const watched = Effect.gen(function* () {
  const api = yield* KubernetesApi.KubernetesApi
  const sockets = yield* relay(api.url)
  const layer = Emulated.layerKubeconfig(api.kubeconfig.replace(api.url, sockets.url))
  return { api, sockets, layer }
})

describe.each([
  ["HTTP", false],
  ["HTTPS", true]
])("over %s", (_, tls) => {
  const emulator = KubernetesApi.layer({ tls, secrets })

  it.effect("a hundred requests in a row share one connection", () =>
    Effect.gen(function* () {
      const { api, sockets, layer } = yield* watched
      yield* Effect.forEach(Array.from({ length: 100 }), () => read).pipe(Effect.provide(layer))
      assertEquals(yield* api.requests.count(), 100)
      assertEquals(yield* sockets.accepted, 1)
    }).pipe(Effect.provide(emulator))
  )

  it.effect("answers of every status leave their connection to the next request", () =>
    Effect.gen(function* () {
      const { api, sockets, layer } = yield* watched
      yield* Effect.gen(function* () {
        for (const status of [401, 403, 404, 429, 500, 503]) {
          const body = "x".repeat(300_000)
          const id = yield* api.faults.add({ action: Fault.status(status, { body }) })
          yield* Effect.flip(read)
          yield* api.faults.remove(id)
          assertTrue(Option.isSome(yield* read))
        }
      }).pipe(Effect.provide(layer))
      assertEquals(yield* sockets.accepted, 1)
    }).pipe(Effect.provide(emulator))
  )

  it.effect("a burst opens 16 connections and no more", () =>
    Effect.gen(function* () {
      const { api, sockets, layer } = yield* watched
      yield* Effect.gen(function* () {
        const gate = yield* api.faults.hold({})
        const burst = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 100 }, () => read),
            { concurrency: "unbounded" }
          )
        )
        yield* api.requests.waitFor({}, 16)
        yield* gate.release
        const found = yield* Fiber.join(burst)
        assertEquals(found.filter(Option.isSome).length, 100)
      }).pipe(Effect.provide(layer))
      assertEquals(yield* sockets.accepted, 16)
    }).pipe(Effect.provide(emulator))
  )

  it.effect("an interrupted read closes its request at the server, and the next one works", () =>
    Effect.gen(function* () {
      const { api, sockets, layer } = yield* watched
      yield* Effect.gen(function* () {
        const gate = yield* api.faults.hold({})
        const fiber = yield* Effect.forkChild(read)
        yield* gate.arrived
        assertEquals(yield* sockets.open, 1)
        yield* Fiber.interrupt(fiber)
        yield* sockets.allClosed
        yield* gate.release
        assertTrue(Option.isSome(yield* read))
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(emulator))
  )

  it.effect("a read that takes too long closes its request at the server", () =>
    Effect.gen(function* () {
      const { api, sockets, layer } = yield* watched
      yield* Effect.gen(function* () {
        const gate = yield* api.faults.hold({})
        const fiber = yield* Effect.forkChild(Effect.flip(read))
        yield* gate.arrived
        yield* TestClock.adjust("30 seconds")
        yield* Fiber.join(fiber)
        yield* sockets.allClosed
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(emulator))
  )

  it.effect("an answer without end is cut off at the server", () =>
    Effect.gen(function* () {
      const { api, sockets, layer } = yield* watched
      yield* Effect.gen(function* () {
        yield* api.faults.add({ action: Fault.endlessBody })
        yield* Effect.flip(read)
        yield* sockets.allClosed
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(emulator))
  )
})

describe("an idle connection", () => {
  it.effect("is closed with the layer", () =>
    Effect.gen(function* () {
      const { server, url } = yield* httpServer((_, response) => {
        response.writeHead(200, { "content-type": "application/json" }).end('{"kind":"Secret"}')
      })
      // The server would otherwise close it by itself.
      server.keepAliveTimeout = 0
      const sockets = yield* relay(url)
      const scope = yield* Scope.make()
      const cluster = { server: sockets.url, "insecure-skip-tls-verify": true }
      const layer = Emulated.layerKubeconfig(Emulated.kubeconfig({ cluster, user: { token: "connector-token" } }))
      const context = yield* Layer.buildWithScope(layer, scope)
      yield* Effect.provideContext(read, context)
      assertEquals(yield* sockets.open, 1)
      yield* Scope.close(scope, Exit.void)
      yield* sockets.allClosed
    })
  )
})

describe("the cluster's TLS options", () => {
  it.effect("refuse a server whose certificate another authority signed", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const another = yield* Certificates.loopbackCertificate
      const text = api.kubeconfig.replace(base64(api.caPem!), base64(another.caPem))
      const error = yield* Effect.flip(read).pipe(Effect.provide(Emulated.layerKubeconfig(text)))
      assertEquals(error.reason._tag, "Unavailable")
      assertInclude(error.message, "the connection failed with ")
      assertEquals(yield* api.requests.count(), 0)
    }).pipe(Effect.provide(KubernetesApi.layer({ tls: true, secrets })))
  )

  it.effect("refuse a server with a certificate for another name, unless it is the name expected", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const named = (name: string) =>
        Emulated.layerKubeconfig(
          Emulated.kubeconfig({
            cluster: {
              server: api.url,
              "certificate-authority-data": base64(api.caPem!),
              "tls-server-name": name
            },
            user: { token: Redacted.value(api.token) }
          })
        )
      const error = yield* Effect.flip(read).pipe(Effect.provide(named("kubernetes.default.svc")))
      assertInclude(error.message, "ERR_TLS_CERT_ALTNAME_INVALID")
      assertTrue(Option.isSome(yield* Effect.provide(read, named("localhost"))))
    }).pipe(Effect.provide(KubernetesApi.layer({ tls: true, secrets })))
  )
})

describe("proxies", () => {
  it.effect("HTTPS_PROXY is not applied", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const proxy = yield* relay(api.url)
      const env = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url, https_proxy: proxy.url, http_proxy: proxy.url }
      const before = { ...process.env }
      yield* Effect.acquireRelease(
        Effect.sync(() => Object.assign(process.env, env)),
        () => Effect.sync(() => Object.keys(env).forEach((name) => before[name] ?? delete process.env[name]))
      )
      const found = yield* read.pipe(
        Effect.provide(Emulated.layerKubeconfig(api.kubeconfig)),
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
      )
      assertTrue(Option.isSome(found))
      assertEquals(yield* proxy.accepted, 0)
    }).pipe(Effect.provide(KubernetesApi.layer({ secrets })))
  )

  it.effect.each(["HTTP", "HTTPS, and offers HTTP/2"])(
    "the proxy that the kubeconfig names is, if it speaks %s",
    (kind) =>
      Effect.gen(function* () {
        const api = yield* KubernetesApi.KubernetesApi
        const certificate = kind === "HTTP" ? undefined : yield* Certificates.loopbackCertificate
        if (certificate !== undefined) yield* trusted(certificate.caPem)
        const proxy = yield* Network.proxy(certificate === undefined ? {} : { certificate })
        const text = Emulated.kubeconfig({
          cluster: {
            server: api.url,
            "proxy-url": proxy.url,
            "certificate-authority-data": base64(api.caPem!)
          },
          user: { token: Redacted.value(api.token) }
        })
        yield* Effect.gen(function* () {
          assertTrue(Option.isSome(yield* read))
          assertTrue(Option.isSome(yield* read))
        }).pipe(Effect.provide(Emulated.layerKubeconfig(text)))
        assertEquals(yield* proxy.asked, [new URL(api.url).host])
      }).pipe(Effect.provide(KubernetesApi.layer({ tls: true, secrets })))
  )
})

/** Has the process trust one more authority, as NODE_EXTRA_CA_CERTS does. */
const trusted = (caPem: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = getCACertificates("default")
      setDefaultCACertificates([...before, caPem])
      return before
    }),
    (before) => Effect.sync(() => setDefaultCACertificates(before))
  )

describe("a redirect", () => {
  it.effect("to another host is not followed", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      let elsewhere = 0
      const { url } = yield* httpServer((_, response) => {
        elsewhere++
        response.writeHead(200, { "content-type": "application/json" })
        response.end(JSON.stringify({ kind: "Secret", data: { token: base64("planted") } }))
      })
      yield* api.faults.add({ action: Fault.status(307, { headers: { location: `${url}/planted` } }) })
      const error = yield* Effect.flip(read).pipe(Effect.provide(Emulated.layerKubeconfig(api.kubeconfig)))
      assertEquals(error.reason._tag, "Unavailable")
      assertEquals(elsewhere, 0)
    }).pipe(Effect.provide(KubernetesApi.layer({ secrets })))
  )
})
