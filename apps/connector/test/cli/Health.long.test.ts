/** `connector health`, as an exec probe runs it. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Authority from "@flyte-databricks/emulators/testing/Authority"
import { Effect, FileSystem } from "effect"
import { type AddressInfo, createServer, type Server } from "node:net"
import * as Address from "../../src/grpc/Address.ts"
import * as ConnectorProcess from "../support/ConnectorProcess.ts"
import * as Door from "../support/Door.ts"

const probe = (args: ReadonlyArray<string> = [], env: Readonly<Record<string, string>> = {}) =>
  ConnectorProcess.finished(["health", ...args], env)

const live = <E>(name: string, run: Effect.Effect<void, E, unknown>) =>
  it.live(name, () =>
    (run as Effect.Effect<void, E, FileSystem.FileSystem>).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

/** A server that takes connections and says nothing. */
const listening = Effect.callback<Server>((resume) => {
  const server = createServer(() => undefined).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
})

const portOf = (server: Server): number => (server.address() as AddressInfo).port

const freePort = Effect.flatMap(listening, (server) =>
  Effect.callback<number>((resume) => {
    const port = portOf(server)
    server.close(() => resume(Effect.succeed(port)))
  })
)

const temporary = FileSystem.FileSystem.use((files) => files.makeTempDirectoryScoped())

describe("connector health", () => {
  live(
    "says that a connector serves, at the address that it is given or the one of the environment",
    Effect.gen(function* () {
      const { port } = yield* Door.open({})
      const given = yield* probe(["--address", `127.0.0.1:${port}`])
      assert.deepStrictEqual([given.exitCode, given.stdout, given.stderr], [0, `127.0.0.1:${port} is SERVING\n`, ""])
      for (const env of [
        { FLYTE_DATABRICKS_LISTEN_PORT: String(port) },
        { FLYTE_DATABRICKS_LISTEN_PORT: String(port), FLYTE_DATABRICKS_LISTEN_HOST: "127.0.0.1" },
        { FLYTE_DATABRICKS_LISTEN: `0.0.0.0:${port}` },
        { FLYTE_DATABRICKS_LISTEN: `127.0.0.1:${port}`, FLYTE_DATABRICKS_LISTEN_PORT: "1" }
      ]) {
        assert.strictEqual((yield* probe([], env)).exitCode, 0, JSON.stringify(env))
      }
      const service = "flyteidl.service.AsyncAgentService"
      assert.strictEqual((yield* probe(["--address", `127.0.0.1:${port}`, "--service", service])).exitCode, 0)
    })
  )

  live(
    "reaches a socket in the file system",
    Effect.gen(function* () {
      const path = `${yield* temporary}/grpc.sock`
      yield* Door.open({}, { address: Address.Unix({ path }) })
      const { exitCode, stdout } = yield* probe([], { FLYTE_DATABRICKS_LISTEN: `unix:${path}` })
      assert.deepStrictEqual([exitCode, stdout], [0, `unix:${path} is SERVING\n`])
    })
  )

  live(
    "speaks TLS where the server does, also one that asks for client certificates, and believes its own certificate alone",
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const directory = yield* temporary
      const authority = yield* Authority.make
      const write = Effect.fnUntraced(function* (name: string) {
        // None of the names is one by which a probe would call.
        const { certificatePem, privateKeyPem } = yield* authority.issue({ names: ["flyteconnector.flyte.svc"] })
        yield* files.writeFileString(`${directory}/${name}.crt`, certificatePem)
        yield* files.writeFileString(`${directory}/${name}.key`, privateKeyPem)
        return {
          FLYTE_DATABRICKS_TLS_CERT_FILE: `${directory}/${name}.crt`,
          FLYTE_DATABRICKS_TLS_KEY_FILE: `${directory}/${name}.key`
        }
      })
      const own = yield* write("own")
      const other = yield* write("other")
      yield* files.writeFileString(`${directory}/ca.crt`, authority.caPem)
      const mutual = { FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE: `${directory}/ca.crt` }
      for (const env of [own, { ...own, ...mutual }]) {
        const { port } = yield* Door.open(env)
        const at = { FLYTE_DATABRICKS_LISTEN_PORT: String(port) }
        assert.strictEqual((yield* probe([], { ...env, ...at })).exitCode, 0)
        assert.strictEqual((yield* probe([], { ...other, ...at })).exitCode, 2)
        assert.strictEqual((yield* probe([], at)).exitCode, 2)
      }
    })
  )

  live(
    "ends with 1 where it is answered that there is no health, and with 2 where there is no answer",
    Effect.gen(function* () {
      const port = yield* freePort
      yield* Door.starting(port)
      const starting = yield* probe(["--address", `127.0.0.1:${port}`])
      assert.deepStrictEqual([starting.exitCode, starting.stdout], [1, `127.0.0.1:${port} is NOT_SERVING\n`])

      const unknown = yield* probe(["--address", `127.0.0.1:${port}`, "--service", "nobody"])
      assert.strictEqual(unknown.exitCode, 2)
      assert.include(unknown.stderr, "No answer from")
      assert.include(unknown.stderr, "NOT_FOUND")

      const nobody = yield* probe(["--address", "127.0.0.1:1"])
      assert.strictEqual(nobody.exitCode, 2)
      assert.include(nobody.stderr, "127.0.0.1:1: UNAVAILABLE")

      const silent = yield* Effect.acquireRelease(listening, (server) => Effect.sync(() => server.close()))
      const late = yield* probe(["--address", `127.0.0.1:${portOf(silent)}`, "--timeout", "300 millis"])
      assert.strictEqual(late.exitCode, 2)
      assert.include(late.stderr, "DEADLINE_EXCEEDED")
    })
  )

  live(
    "says what is wrong with what it is told",
    Effect.gen(function* () {
      const flag = yield* probe(["--address", "localhost"])
      assert.notStrictEqual(flag.exitCode, 0)
      assert.include(`${flag.stdout}${flag.stderr}`, "unix:/PATH, or HOST:PORT")
      const variable = yield* probe([], { FLYTE_DATABRICKS_LISTEN: "localhost" })
      assert.strictEqual(variable.exitCode, 2)
      assert.include(variable.stderr, 'FLYTE_DATABRICKS_LISTEN is "localhost"')
    })
  )
})
