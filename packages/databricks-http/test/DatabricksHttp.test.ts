/** The way to Databricks: proxies, certificate authorities, connections; over real sockets. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Circuit, RetryPolicy, TokenEndpoint, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import * as TransportFault from "@flyte-databricks/databricks-auth/http/TransportFault"
import { DatabricksWorkspace, Fault } from "@flyte-databricks/emulators"
import * as Certificates from "@flyte-databricks/emulators/Certificates"
import { ConfigProvider, Effect, FileSystem, Layer, Logger, Redacted, Result, Schedule, type Scope } from "effect"
import { HttpClient } from "effect/http"
import * as Https from "node:https"
import * as DatabricksHttp from "../src/DatabricksHttp.ts"
import * as Log from "@flyte-databricks/emulators/testing/Log"
import { silentHost } from "@flyte-databricks/emulators/testing/SilentHost"
import * as Network from "@flyte-databricks/emulators/testing/Network"

const host = "dbc-a1b2.cloud.databricks.com"
const principal = { applicationId: "sp-1", secrets: ["secret-1"] }

const workspace = DatabricksWorkspace.make({ tls: { names: [host] }, servicePrincipals: [principal] })

const file = Effect.fnUntraced(function* (content: string) {
  const files = yield* FileSystem.FileSystem
  const path = yield* files.makeTempFileScoped()
  yield* files.writeFileString(path, content)
  return path
})

// One try: what was met first is what is said.
const references = Layer.merge(
  Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(0)),
  Layer.succeed(Circuit.CircuitPolicy, { clients: 1000, openFor: Schedule.spaced("1 second") })
)

const layer = (env: Record<string, string>, log = Log.make()) =>
  TokenEndpoint.layer.pipe(
    Layer.provide(DatabricksHttp.layer),
    // Of plain workspaces no list is asked: nothing names another address.
    Layer.provide(Layer.succeed(WorkspaceHost.AllowedInstances, Result.getOrThrow(WorkspaceHost.allowList([])))),
    Layer.provide([
      ConfigProvider.layer(ConfigProvider.fromEnv({ env })),
      Logger.layer([log.logger]),
      NodeServices.layer,
      references
    ])
  )

/** Asks the workspace for a token. */
const ask = (instance: string) =>
  TokenEndpoint.TokenEndpoint.use(({ clientCredentials }) =>
    clientCredentials({
      instance: WorkspaceHost.WorkspaceHost.make(instance),
      clientId: principal.applicationId,
      clientSecret: Redacted.make("secret-1"),
      source: "the test"
    })
  )

const live = <A, E>(name: string, run: Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>) =>
  it.live(name, () => Effect.provide(run, NodeServices.layer))

/** A workspace that only the proxy can reach, by a name that nobody else knows. */
const behindProxy = Effect.fnUntraced(function* (options: Network.ProxyOptions = {}) {
  const { url, caPem, requests } = yield* workspace
  const proxy = yield* Network.proxy({ hosts: { [`${host}:443`]: url }, ...options })
  const certificates = [caPem ?? "", options.certificate?.caPem ?? ""]
  return { proxy, requests, env: { FLYTE_DATABRICKS_CA_FILE: yield* file(certificates.join("")) } }
})

describe("a proxy", () => {
  live(
    "is what a workspace is reached through, and the host's name is left to it",
    Effect.gen(function* () {
      const { proxy, requests, env } = yield* behindProxy()
      const log = Log.make()
      yield* ask(host).pipe(Effect.provide(layer({ ...env, HTTPS_PROXY: proxy.url }, log)))
      assert.deepStrictEqual(yield* proxy.asked, [`${host}:443`])
      assert.strictEqual(yield* requests.count({ path: "/oidc/v1/token" }), 1)
      assert.include(log.texts.join("\n"), `Databricks is reached through the proxy ${proxy.url}`)
    })
  )

  live(
    "may be given without a scheme, and in lower case, which goes first",
    Effect.gen(function* () {
      const { proxy, env } = yield* behindProxy()
      const both = { https_proxy: ` localhost:${proxy.port} `, HTTPS_PROXY: "http://localhost:1" }
      yield* ask(host).pipe(Effect.provide(layer({ ...env, ...both })))
      assert.deepStrictEqual(yield* proxy.asked, [`${host}:443`])
    })
  )

  live(
    "may speak HTTPS itself, with a certificate of the company's authority",
    Effect.gen(function* () {
      const certificate = yield* Certificates.loopbackCertificate
      const { proxy, env } = yield* behindProxy({ certificate })
      assert.match(proxy.url, /^https:/)
      yield* ask(host).pipe(Effect.provide(layer({ ...env, HTTPS_PROXY: proxy.url })))
      assert.deepStrictEqual(yield* proxy.asked, [`${host}:443`])
    })
  )

  live(
    "gets the user and password of its URL, decoded",
    Effect.gen(function* () {
      const authorization = `Basic ${Buffer.from("ann:p@ss/word%").toString("base64")}`
      const { proxy, env } = yield* behindProxy({ authorization })
      const log = Log.make()
      const url = `http://ann:p%40ss%2Fword%25@localhost:${proxy.port}`
      yield* ask(host).pipe(Effect.provide(layer({ ...env, HTTPS_PROXY: url }, log)))
      assert.include(log.texts.join("\n"), proxy.url)
      assert.notMatch(log.texts.join("\n"), /ann:|p%40ss|p@ss/)
    })
  )

  live(
    "that does not let the connector through says so, and no error shows the password",
    Effect.gen(function* () {
      const { proxy, env, requests } = yield* behindProxy({ authorization: "Basic something-else" })
      const url = `http://ann:hunter2@localhost:${proxy.port}`
      const error = yield* Effect.flip(ask(host).pipe(Effect.provide(layer({ ...env, HTTPS_PROXY: url }))))
      assert.include(error.message, "Proxy response (407)")
      assert.isTrue(error._tag === "AuthError" && error.retryable)
      assert.notMatch(`${error.message}${JSON.stringify(error)}`, /hunter2|YW5uOmh1bnRlcjI/)
      assert.strictEqual(yield* requests.count(), 0)
    })
  )

  live(
    "that is not there is named by its address",
    Effect.gen(function* () {
      const { env } = yield* behindProxy()
      const error = yield* Effect.flip(
        ask(host).pipe(Effect.provide(layer({ ...env, HTTPS_PROXY: "http://127.0.0.1:1" })))
      )
      assert.include(error.message, "ECONNREFUSED 127.0.0.1:1")
    })
  )

  describe("is passed by for", () => {
    const direct = (what: string, noProxy: Record<string, string>, tunnels: number) =>
      live(
        what,
        Effect.gen(function* () {
          const { url, caPem } = yield* workspace
          const proxy = yield* Network.proxy()
          const env = { FLYTE_DATABRICKS_CA_FILE: yield* file(caPem ?? ""), HTTPS_PROXY: proxy.url, ...noProxy }
          yield* ask(`localhost:${new URL(url).port}`).pipe(Effect.provide(layer(env)))
          assert.lengthOf(yield* proxy.asked, tunnels)
        })
      )
    direct("nobody, where nothing says so", {}, 1)
    direct("what NO_PROXY lists", { NO_PROXY: "example.com, localhost" }, 0)
    direct("what no_proxy lists, which goes before NO_PROXY", { no_proxy: "localhost", NO_PROXY: "example.com" }, 0)
    direct("everyone, where NO_PROXY is *", { NO_PROXY: "*" }, 0)
    direct("no host that only ends like a listed one", { NO_PROXY: "ocalhost,1" }, 1)

    live(
      "stand-ins on loopback over plain HTTP",
      Effect.gen(function* () {
        const { url } = yield* DatabricksWorkspace.make({ servicePrincipals: [principal] })
        const proxy = yield* Network.proxy()
        const everywhere = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url, http_proxy: proxy.url }
        yield* ask(url).pipe(Effect.provide(layer(everywhere)))
        assert.deepStrictEqual(yield* proxy.asked, [])
      })
    )
  })

  describe("that is not given well keeps the connector from starting:", () => {
    const cases = [
      ["a port that is none", "http://ann:hunter2@proxy:99999", "is not a URL"],
      ["a space", "http://ann:hunter2@pro xy:3128", "is not a URL"],
      ["a password with a slash", "http://ann:hunter2/x@proxy:3128", "is not a URL"],
      [
        "a password of digits and a slash",
        "http://ann:4711/hunter2@proxy:3128",
        "has something after the host and port"
      ],
      ["a path", "http://proxy:3128/hunter2", "has something after the host and port"],
      ["a password with a stray %", "http://ann:hunter2%@proxy:3128", "a % that is no percent-encoding"],
      ["SOCKS", "socks5://ann:hunter2@proxy:1080", "of the kind socks5://, which is not supported"]
    ] as const
    it.effect.each(cases)("%s", ([, given, problem]) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.provide(Effect.void, layer({ HTTPS_PROXY: given })))
        assert.include(error.message, "HTTPS_PROXY ")
        assert.include(error.message, problem)
        assert.include(error.message, "Expected http://HOST:PORT")
        assert.notInclude(`${error.message}${JSON.stringify(error)}`, "hunter2")
      })
    )

    it.effect("a blank one is none", () => Effect.provide(Effect.void, layer({ HTTPS_PROXY: "  " })))
  })
})

/** A server that counts the requests that get through to it. */
const serving = Effect.fnUntraced(function* (options: Https.ServerOptions) {
  let requests = 0
  const server = Https.createServer(options, (_, response) => {
    requests++
    response.end()
  })
  return { port: yield* Network.listening(server), requests: () => requests }
})

describe("a workspace is sent nothing", () => {
  for (const [what, certificate, options, says] of [
    ["whose certificate has expired", Certificates.expiredCertificate, {}, /certificate has expired/],
    [
      "that speaks no TLS of today",
      Certificates.loopbackCertificate,
      { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" },
      /protocol version|unsupported protocol/
    ]
  ] as const) {
    live(
      what,
      Effect.gen(function* () {
        const { caPem, certificatePem: cert, privateKeyPem: key } = yield* certificate
        const { port, requests } = yield* serving({ cert, key, ...options })
        const env = { FLYTE_DATABRICKS_CA_FILE: yield* file(caPem) }
        const { message } = yield* Effect.flip(ask(`localhost:${port}`).pipe(Effect.provide(layer(env))))
        assert.match(message, says)
        assert.strictEqual(requests(), 0)
      })
    )
  }
})

describe("a certificate authority of one's own", () => {
  live(
    "is trusted when the file has it, among others, and not without",
    Effect.gen(function* () {
      const { url, caPem } = yield* workspace
      const another = yield* Certificates.loopbackCertificate
      const instance = `localhost:${new URL(url).port}`
      const refused = yield* Effect.flip(ask(instance).pipe(Effect.provide(layer({}))))
      assert.match(refused.message, /certificate/)
      assert.isTrue(refused._tag === "AuthError" && refused.retryable)
      const path = yield* file(`# ours\n${another.caPem}\n${caPem}`)
      yield* ask(instance).pipe(Effect.provide(layer({ FLYTE_DATABRICKS_CA_FILE: path })))
      const wrong = yield* file(another.caPem)
      yield* Effect.flip(ask(instance).pipe(Effect.provide(layer({ FLYTE_DATABRICKS_CA_FILE: wrong }))))
    })
  )

  live(
    "that is not trusted is an error with the setting in it, in place of Node's own flag",
    Effect.gen(function* () {
      const { url } = yield* workspace
      const { message } = yield* Effect.flip(ask(`localhost:${new URL(url).port}`).pipe(Effect.provide(layer({}))))
      assert.match(message, /certificate.*; if its authority is your company's, .* in FLYTE_DATABRICKS_CA_FILE/)
      assert.notInclude(message, "--use-system-ca")
    })
  )

  live(
    "is not asked for where the fault is another one",
    Effect.gen(function* () {
      const { url, caPem } = yield* workspace
      const env = { FLYTE_DATABRICKS_CA_FILE: yield* file(caPem ?? "") }
      const sockets = yield* Network.relay(url)
      const named = yield* Network.proxy({ hosts: { "other.cloud.databricks.com:443": sockets.url } })
      const through = layer({ ...env, HTTPS_PROXY: named.url })
      const { message } = yield* Effect.flip(ask("other.cloud.databricks.com").pipe(Effect.provide(through)))
      assert.match(message, /does not match certificate/)
      assert.notInclude(message, "CA_FILE")
    })
  )

  describe("that cannot be read keeps the connector from starting:", () => {
    const broken = (what: string, content: string | undefined, problem: string) =>
      live(
        what,
        Effect.gen(function* () {
          const path = content === undefined ? "/nowhere/ca.pem" : yield* file(content)
          const error = yield* Effect.flip(Effect.provide(Effect.void, layer({ FLYTE_DATABRICKS_CA_FILE: path })))
          assert.include(error.message, `FLYTE_DATABRICKS_CA_FILE names ${path}, ${problem}`)
          assert.include(error.message, "in PEM")
        })
      )
    broken("there is no such file", undefined, "which cannot be read (NotFound)")
    broken("it is empty", "", "which holds no certificate")
    broken(
      "it is a private key",
      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
      "which holds no certificate"
    )
    broken(
      "its certificate is garbage",
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
      "whose certificate number 1 cannot be read"
    )
  })
})

describe("connections", () => {
  const watched = Effect.gen(function* () {
    const { url, faults, caPem } = yield* workspace
    const sockets = yield* Network.relay(url)
    const env = { FLYTE_DATABRICKS_CA_FILE: yield* file(caPem ?? "") }
    return { faults, sockets, env, ask: ask(`localhost:${new URL(sockets.url).port}`) }
  })
  // A request may come a moment before the last one's connection is free.
  const fewest = 2
  const many = (times: number) => Array.from({ length: times }, () => undefined)

  live(
    "are kept: a hundred requests in a row share them",
    Effect.gen(function* () {
      const { sockets, env, ask } = yield* watched
      yield* Effect.forEach(many(100), () => ask).pipe(Effect.provide(layer(env)))
      assert.isAtMost(yield* sockets.accepted, fewest)
    })
  )

  live(
    "are kept through a proxy too: so few tunnels",
    Effect.gen(function* () {
      const { proxy, env, requests } = yield* behindProxy()
      const through = layer({ ...env, HTTPS_PROXY: proxy.url })
      yield* Effect.forEach(many(100), () => ask(host)).pipe(Effect.provide(through))
      assert.strictEqual(yield* requests.count(), 100)
      assert.isAtMost((yield* proxy.asked).length, fewest)
    })
  )

  live(
    "are free again after answers that are no tokens, whatever came with them",
    Effect.gen(function* () {
      const { sockets, faults, env, ask } = yield* watched
      yield* Effect.gen(function* () {
        for (const status of [400, 401, 403, 404, 408, 429, 500, 502, 503, 504]) {
          for (const body of ["", "x".repeat(30_000)]) {
            const id = yield* faults.add({ action: Fault.status(status, { body }) })
            yield* Effect.flip(ask)
            yield* faults.remove(id)
            yield* ask
          }
        }
      }).pipe(Effect.provide(layer(env)))
      assert.isAtMost(yield* sockets.accepted, fewest)
    })
  )

  live(
    "are not held by a body that nobody reads to its end",
    Effect.gen(function* () {
      const { sockets, faults, env, ask } = yield* watched
      yield* Effect.gen(function* () {
        yield* faults.add({ times: 5, action: Fault.status(503, { body: "x".repeat(5_000_000) }) })
        yield* Effect.forEach(many(5), () => Effect.flip(ask))
        yield* ask
        assert.isAtMost(yield* sockets.open, 1)
      }).pipe(Effect.provide(layer(env)))
      assert.isAtLeast(yield* sockets.accepted, 5)
    })
  )

  live(
    "are 64 at most",
    Effect.gen(function* () {
      const { url } = yield* DatabricksWorkspace.make({ servicePrincipals: [principal] })
      const sockets = yield* Network.relay(url)
      yield* Effect.forEach(many(200), () => ask(sockets.url), { concurrency: "unbounded" }).pipe(
        Effect.provide(layer({}))
      )
      assert.strictEqual(yield* sockets.accepted, 64)
    })
  )
})

describe("a host that takes connections and goes no further", () => {
  live(
    "is given up after three seconds: nothing was sent, so that it is tried again",
    Effect.gen(function* () {
      const { url } = yield* silentHost
      const error = yield* Effect.flip(HttpClient.get(url.replace("http:", "https:")))
      assert.isTrue(TransportFault.neverConnected(error))
      assert.match(TransportFault.describe(error), /timeout: 3000ms/)
    }).pipe(
      Effect.provide(
        DatabricksHttp.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} }))))
      ),
      Effect.scoped
    )
  )
})
