/** TLS of the server, over real connections. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Authority from "@flyte-databricks/emulators/testing/Authority"
import { Duration, Effect, Exit, FileSystem, Layer } from "effect"
import { connect } from "node:tls"
import * as ServerTls from "../../src/grpc/ServerTls.ts"
import * as Door from "../support/Door.ts"
import * as tasks from "../support/tasks.ts"

const localhost = { names: ["localhost"] }
const propeller = "spiffe://cluster.local/ns/flyte/sa/flytepropeller"

/** A server's certificate in files, which may be written anew. */
const world = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped()
  const authority = yield* Authority.make
  const clients = yield* Authority.make
  const cert = `${directory}/tls.crt`
  const key = `${directory}/tls.key`
  const ca = `${directory}/ca.crt`
  const write = Effect.fnUntraced(function* ({ certificatePem, privateKeyPem }: Authority.Certificate) {
    yield* files.writeFileString(cert, certificatePem)
    yield* files.writeFileString(key, privateKeyPem)
  })
  yield* write(yield* authority.issue(localhost))
  yield* files.writeFileString(ca, clients.caPem)
  return {
    files,
    directory,
    authority,
    clients,
    write,
    cert,
    key,
    ca,
    env: { FLYTE_DATABRICKS_TLS_CERT_FILE: cert, FLYTE_DATABRICKS_TLS_KEY_FILE: key },
    mutual: {
      FLYTE_DATABRICKS_TLS_CERT_FILE: cert,
      FLYTE_DATABRICKS_TLS_KEY_FILE: key,
      FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE: ca
    }
  }
})

const scenario = <E>(name: string, run: (given: Effect.Success<typeof world>) => Effect.Effect<void, E, unknown>) =>
  it.live(name, () =>
    (Effect.flatMap(world, run) as Effect.Effect<void, E, FileSystem.FileSystem>).pipe(
      Effect.scoped,
      Effect.provide(NodeServices.layer)
    )
  )

const often = Layer.succeed(ServerTls.ReloadInterval, Duration.millis(20))

/** What a handshake comes to: the protocol, or why there is none. */
const handshake = (port: number, options: object) =>
  Effect.callback<string>((resume) => {
    const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ALPNProtocols: ["h2"], ...options })
    socket.on("secureConnect", () => {
      resume(Effect.succeed(`${socket.getProtocol()} ${String(socket.alpnProtocol)}`))
      socket.destroy()
    })
    socket.on("error", ({ code, message }: NodeJS.ErrnoException) => resume(Effect.succeed(code ?? message)))
  })

describe("a server with a certificate", () => {
  scenario("serves who trusts its authority, and nobody in plain text", ({ authority, env }) =>
    Effect.gen(function* () {
      const { port, log } = yield* Door.open(env)
      const trusting = yield* Door.client(`localhost:${port}`, Door.tlsClient(authority.caPem))
      assert.lengthOf((yield* trusting.listAgents).agents, 1)
      assert.deepStrictEqual([...(yield* trusting.createTask(tasks.createTask()))], [1, 2, 3])
      const plain = yield* Door.client(`localhost:${port}`)
      assert.strictEqual((yield* Effect.flip(plain.createTask(tasks.createTask()))).code, "UNAVAILABLE")
      const { caPem } = yield* Authority.make
      const doubting = yield* Door.client(`localhost:${port}`, Door.tlsClient(caPem))
      assert.strictEqual((yield* Effect.flip(doubting.createTask(tasks.createTask()))).code, "UNAVAILABLE")
      const line = yield* log.waitFor(({ message }) => String(message).startsWith("A TLS handshake failed"))
      assert.strictEqual(line.annotations["peer"], "127.0.0.1")
    })
  )

  scenario("speaks TLS 1.2 and 1.3, and nothing older", ({ authority, env }) =>
    Effect.gen(function* () {
      const { port } = yield* Door.open(env)
      const ca = authority.caPem
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        const options = { ca, minVersion: version, maxVersion: version }
        assert.strictEqual(yield* handshake(port, options), `${version} h2`)
      }
      const old = { ca, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL@SECLEVEL=0" }
      assert.match(yield* handshake(port, old), /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|ECONNRESET/)
    })
  )

  scenario("takes up a new certificate, and one of another authority, without a connection lost", (given) =>
    Effect.gen(function* () {
      const { authority, env, files, key, write } = given
      const { port, log } = yield* Door.open(env, { references: often })
      const before = yield* Door.client(`localhost:${port}`, Door.tlsClient(authority.caPem))
      yield* before.listAgents

      const next = yield* Authority.make
      yield* write(yield* next.issue(localhost))
      yield* log.waitFor(({ message }) => String(message).startsWith("The server's certificate was read anew: CN=test"))
      const after = yield* Door.client(`localhost:${port}`, Door.tlsClient(next.caPem))
      assert.lengthOf((yield* after.listAgents).agents, 1)
      assert.lengthOf((yield* before.listAgents).agents, 1)

      // What cannot be used is said, and what was there goes on.
      yield* files.writeFileString(key, "nonsense")
      const { level } = yield* log.waitFor(({ message }) => String(message).includes(`${key}, which is not the key of`))
      assert.strictEqual(level, "WARN")
      const still = yield* Door.client(`localhost:${port}`, Door.tlsClient(next.caPem))
      assert.lengthOf((yield* still.listAgents).agents, 1)
    })
  )
})

describe("a server that asks for client certificates", () => {
  const create = (client: Effect.Success<ReturnType<typeof Door.client>>) => client.createTask(tasks.createTask())

  scenario("takes calls of who has one of its authority, and tells everybody of health and the registry", (given) =>
    Effect.gen(function* () {
      const { authority, clients, mutual } = given
      const { port, log } = yield* Door.open(mutual)
      const as = (own?: Authority.Certificate) => Door.client(`localhost:${port}`, Door.tlsClient(authority.caPem, own))

      assert.isNotEmpty(yield* create(yield* as(yield* clients.issue({ names: ["anybody"] }))))

      const others = yield* Authority.make
      for (const own of [undefined, yield* others.issue({ names: ["anybody"] })]) {
        const client = yield* as(own)
        const { code, details } = yield* Effect.flip(create(client))
        assert.strictEqual(code, "PERMISSION_DENIED")
        assert.include(details, "FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE")
        assert.lengthOf((yield* client.listAgents).agents, 1)
        assert.strictEqual(yield* client.health(""), "SERVING")
        const { annotations, level } = yield* log.waitFor(({ message }) => String(message) === `CreateTask: ${details}`)
        assert.strictEqual(level, "WARN")
        assert.strictEqual(annotations["outcome"], "CallerRefused")
        assert.match(String(annotations["peer"]), /^127\.0\.0\.1:\d+$/)
      }
    })
  )

  scenario("goes by the names that are listed: DNS names and SPIFFE ids", ({ authority, clients, mutual }) =>
    Effect.gen(function* () {
      const allowed = { FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS: `Propeller.flyte.svc, ${propeller}` }
      const { port } = yield* Door.open({ ...mutual, ...allowed })
      const as = Effect.fnUntraced(function* (subject: Authority.Subject) {
        const own = yield* clients.issue(subject)
        return yield* create(yield* Door.client(`localhost:${port}`, Door.tlsClient(authority.caPem, own)))
      })
      yield* as({ names: ["propeller.flyte.svc"] })
      yield* as({ names: ["other", "PROPELLER.flyte.svc"] })
      yield* as({ uris: [propeller] })
      for (const subject of [
        { names: ["propeller.flyte.svc.evil"] },
        { names: [propeller] },
        { uris: [`${propeller}x`] },
        { uris: ["spiffe://cluster.local/ns/team/sa/default"] },
        { uris: ["spiffe://x/y"], names: [`evil, URI:${propeller}`] },
        { names: [] }
      ]) {
        const { code, details } = yield* Effect.flip(as(subject))
        assert.strictEqual(code, "PERMISSION_DENIED", JSON.stringify(subject))
        assert.include(details, "FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS")
      }
    })
  )

  scenario("believes the authority of now", ({ authority, ca, clients, files, mutual }) =>
    Effect.gen(function* () {
      const { port, log } = yield* Door.open(mutual, { references: often })
      const own = yield* clients.issue({ names: ["anybody"] })
      const as = () => Door.client(`localhost:${port}`, Door.tlsClient(authority.caPem, own))
      yield* create(yield* as())
      const { caPem } = yield* Authority.make
      yield* files.writeFileString(ca, caPem)
      yield* log.waitFor(({ message }) => String(message).startsWith("The server's certificate was read anew"))
      assert.strictEqual((yield* Effect.flip(create(yield* as()))).code, "PERMISSION_DENIED")
    })
  )
})

describe("what cannot be TLS does not start, and says what is wrong:", () => {
  const refuses = (
    name: string,
    env: (given: Effect.Success<typeof world>) => Effect.Effect<Readonly<Record<string, string>>, unknown>,
    says: ReadonlyArray<string>
  ) =>
    scenario(name, (given) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Door.open(yield* env(given)))
        assert(Exit.isFailure(exit))
        for (const part of says) assert.include(String(exit.cause), part)
      })
    )
  const cert = "FLYTE_DATABRICKS_TLS_CERT_FILE"
  const key = "FLYTE_DATABRICKS_TLS_KEY_FILE"

  refuses("a certificate without a key", ({ cert: file }) => Effect.succeed({ [cert]: file }), [key, "is not"])
  refuses("a key without a certificate", ({ key: file }) => Effect.succeed({ [key]: file }), [cert, "is not"])
  refuses(
    "an authority without a certificate",
    ({ ca }) => Effect.succeed({ FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE: ca }),
    [cert, "is not"]
  )
  refuses("a file that is not there", ({ env }) => Effect.succeed({ ...env, [cert]: "/nowhere/tls.crt" }), [
    cert,
    "/nowhere/tls.crt",
    "NotFound"
  ])
  refuses(
    "a certificate that is none",
    ({ cert: file, env, files }) => Effect.as(files.writeFileString(file, "nonsense"), env),
    [cert, "which holds no certificate"]
  )
  refuses(
    "a key of another certificate",
    ({ authority, env, files, key: file }) =>
      Effect.gen(function* () {
        yield* files.writeFileString(file, (yield* authority.issue(localhost)).privateKeyPem)
        return env
      }),
    [key, "which is not the key of"]
  )
  refuses(
    "a certificate that ended",
    ({ authority, env, write }) =>
      Effect.gen(function* () {
        yield* write(yield* authority.issue({ ...localhost, notAfter: new Date("2021-01-01T00:00:00Z") }))
        return env
      }),
    [cert, "whose certificate ended on Jan  1 00:00:00 2021 GMT"]
  )
  refuses(
    "an authority that is none",
    ({ ca, files, mutual }) => Effect.as(files.writeFileString(ca, "nonsense"), mutual),
    ["FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE", "which holds no certificate"]
  )
  refuses("a file of a gigabyte", ({ cert: file, env, files }) => Effect.as(files.truncate(file, 2 ** 30), env), [
    cert,
    "which has 1073741824 bytes"
  ])
  refuses(
    "names of clients without an authority",
    ({ env }) => Effect.succeed({ ...env, FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS: propeller }),
    ["FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS", "nothing says whose certificates count"]
  )
  for (const odd of ["*", "spiffe://", "a b", "propeller/", ","]) {
    refuses(
      `a client's name that is none: ${odd}`,
      ({ mutual }) => Effect.succeed({ ...mutual, FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS: odd }),
      ["FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS", "SPIFFE ids as"]
    )
  }
})
