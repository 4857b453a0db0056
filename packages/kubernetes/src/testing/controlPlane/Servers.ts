/**
 * etcd and kube-apiserver, started on loopback and ready.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { generateKeyPairSync } from "node:crypto"
import * as Net from "node:net"
import * as ApiClient from "./ApiClient.ts"
import type { Assets } from "./Assets.ts"
import { ControlPlaneError, StartFailed } from "./ControlPlaneError.ts"
import * as LoggedProcess from "./LoggedProcess.ts"

interface Credentials {
  readonly serviceAccountKey: Redacted.Redacted
  readonly adminToken: Redacted.Redacted
}

const readyWithin = "2 minutes"

/** Starts both in a directory of their own; they end with the scope. */
export const start = Effect.fnUntraced(function* (assets: Assets) {
  const outer = yield* Effect.scope
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const credentials: Credentials = {
    serviceAccountKey: Redacted.make(privateKey.export({ type: "pkcs8", format: "pem" }).toString()),
    adminToken: Redacted.make(crypto.randomUUID(), { label: "admin token" })
  }
  const attempt = Effect.gen(function* () {
    const scope = yield* Scope.fork(outer)
    return yield* startOnce(assets, credentials).pipe(
      Effect.catchTag("PlatformError", ({ message }) =>
        Effect.fail(new ControlPlaneError({ reason: new StartFailed({ problem: message, logs: {} }) }))
      ),
      Scope.provide(scope),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
    )
  })
  // Neither program can choose a free port itself, and another process may take the chosen one first.
  return yield* Effect.retry(attempt, { times: 3, while: isPortTaken })
})

const isPortTaken = ({ reason }: ControlPlaneError) =>
  reason._tag === "StartFailed" && Object.values(reason.logs).flat().join("\n").includes("address already in use")

const startOnce = Effect.fnUntraced(function* (assets: Assets, { adminToken, serviceAccountKey }: Credentials) {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* fileSystem.makeTempDirectoryScoped({ prefix: "control-plane-" })
  const file = (name: string) => path.join(directory, name)
  const [etcdPort, apiServerPort] = yield* freePorts
  const etcdUrl = `http://127.0.0.1:${etcdPort}`
  const url = `https://127.0.0.1:${apiServerPort}`

  const writeSecret = (path: string, content: string) => fileSystem.writeFileString(path, content, { mode: 0o600 })
  const keyFile = file("service-account.key")
  yield* writeSecret(keyFile, Redacted.value(serviceAccountKey))
  const tokenFile = file("tokens.csv")
  yield* writeSecret(tokenFile, `${Redacted.value(adminToken)},admin,admin,"system:masters"\n`)

  const etcd = yield* LoggedProcess.start("etcd", assets.etcd, {
    "data-dir": file("etcd"),
    "listen-client-urls": etcdUrl,
    "advertise-client-urls": etcdUrl,
    // It is the only member, so nobody connects there.
    "listen-peer-urls": "http://127.0.0.1:0",
    "unsafe-no-fsync": "true"
  })
  const apiServer = yield* LoggedProcess.start("kube-apiserver", assets.apiServer, {
    "etcd-servers": etcdUrl,
    "bind-address": "127.0.0.1",
    "secure-port": `${apiServerPort}`,
    // Without this it looks for an address of its own, which a machine without a network does not have.
    "advertise-address": "127.0.0.1",
    "endpoint-reconciler-type": "none",
    "cert-dir": file("certificates"),
    "service-cluster-ip-range": "10.0.0.0/24",
    // The issuer is this server, so that whoever verifies a token finds its keys by the rules of OpenID Connect.
    "service-account-issuer": url,
    "service-account-jwks-uri": `${url}/openid/v1/jwks`,
    "service-account-key-file": keyFile,
    "service-account-signing-key-file": keyFile,
    "api-audiences": "https://kubernetes.default.svc",
    "token-auth-file": tokenFile,
    "authorization-mode": "RBAC",
    // It wants the default ServiceAccounts, which a controller would make.
    "disable-admission-plugins": "ServiceAccount"
  })
  const processes = [etcd, apiServer]

  const connect = Effect.gen(function* () {
    // The key is written after the certificate.
    yield* untilTrue(fileSystem.exists(file("certificates/apiserver.key")))
    const caPem = yield* fileSystem.readFileString(file("certificates/apiserver.crt"))
    const client = yield* ApiClient.make({ url, caPem, token: adminToken })
    const ready = Effect.map(client.send({ method: "GET", path: "/readyz" }), ({ status }) => status === 200)
    yield* untilTrue(Effect.orElseSucceed(ready, () => false))
    return { url, caPem, adminToken, directory, client }
  })
  return yield* Effect.raceAllFirst([
    connect,
    ...processes.map(({ name, ended }) => Effect.andThen(ended, new NotReady({ problem: `${name} ended` })))
  ]).pipe(
    Effect.timeoutOrElse({
      duration: readyWithin,
      orElse: () => new NotReady({ problem: `it was not ready within ${readyWithin}` })
    }),
    Effect.catchTag(
      "NotReady",
      Effect.fnUntraced(function* ({ problem }) {
        const logs = yield* Effect.forEach(processes, ({ name, stop }) =>
          Effect.map(stop, (lines) => [name, lines] as const)
        )
        return yield* new ControlPlaneError({ reason: new StartFailed({ problem, logs: Object.fromEntries(logs) }) })
      })
    )
  )
})

class NotReady extends Data.TaggedError("NotReady")<{ readonly problem: string }> {}

const untilTrue = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(condition, { schedule: Schedule.spaced("100 millis"), until: (value) => value })

const listen = Effect.callback<Net.Server>((resume) => {
  const server = Net.createServer()
  server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
})

const freePorts = Effect.acquireUseRelease(
  // Held at the same time, so that they differ.
  Effect.all([listen, listen]),
  (servers) => Effect.succeed(servers.map((server) => (server.address() as Net.AddressInfo).port)),
  (servers) =>
    Effect.forEach(servers, (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void))))
)
