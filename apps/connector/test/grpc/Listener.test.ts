/** Where the server listens, and how many it takes. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, FileSystem, Layer, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { connect, type Socket } from "node:net"
import * as Address from "../../src/grpc/Address.ts"
import * as Listener from "../../src/grpc/Listener.ts"
import * as Door from "../support/Door.ts"
import * as tasks from "../support/tasks.ts"

const socketIn = Effect.map(
  FileSystem.FileSystem.use((files) => files.makeTempDirectoryScoped()),
  (directory) => `${directory}/grpc.sock`
)

/** A process that listens on a socket, and is killed with the scope. */
const killed = Effect.fnUntraced(function* (path: string) {
  const program = `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("listening"))`
  const other = yield* ChildProcess.make(process.execPath, ["-e", program], { killSignal: "SIGKILL" })
  yield* other.stdout.pipe(Stream.take(1), Stream.runDrain)
})

const live = <E>(name: string, run: Effect.Effect<void, E, unknown>) =>
  it.live(name, () =>
    (run as Effect.Effect<void, E, FileSystem.FileSystem>).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

describe("a socket in the file system", () => {
  live(
    "is listened on, by whoever shares its group, and is gone with the server",
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = yield* socketIn
      yield* Effect.gen(function* () {
        const { address, log, port } = yield* Door.open({}, { address: Address.Unix({ path }) })
        assert.deepStrictEqual([Address.show(address), port], [`unix:${path}`, 0])
        assert.strictEqual((yield* files.stat(path)).mode & 0o777, 0o660)
        const flyte = yield* Door.client(`unix:${path}`)
        assert.isNotEmpty(yield* flyte.createTask(tasks.createTask()))
        assert.deepStrictEqual(
          log.lines().filter(({ level }) => level === "WARN"),
          []
        )
      }).pipe(Effect.scoped)
      assert.isFalse(yield* files.exists(path))
    })
  )

  live(
    "that a process left behind is taken over, one that somebody listens on is not, nor any other file",
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = yield* socketIn
      const open = Door.open({}, { address: Address.Unix({ path }) })
      yield* Effect.scoped(killed(path))
      assert.isTrue(yield* files.exists(path))
      yield* Effect.scoped(open)

      yield* open
      const refused = yield* Effect.exit(Effect.scoped(open))
      assert(Exit.isFailure(refused))
      assert.include(String(refused.cause), `Cannot listen on unix:${path}`)
      assert.isTrue(yield* files.exists(path))

      const plain = `${path}.txt`
      yield* files.writeFileString(plain, "of somebody")
      const other = yield* Effect.exit(Effect.scoped(Door.open({}, { address: Address.Unix({ path: plain }) })))
      assert.isTrue(Exit.isFailure(other))
      assert.strictEqual(yield* files.readFileString(plain), "of somebody")
    })
  )
})

describe("connections", () => {
  const connected = (port: number) =>
    Effect.acquireRelease(
      Effect.callback<Socket>((resume) => {
        const socket = connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
        socket.on("error", () => undefined)
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )
  const closed = (socket: Socket) =>
    Effect.callback<void>((resume) => {
      if (socket.destroyed) resume(Effect.void)
      socket.resume().once("close", () => resume(Effect.void))
    })

  live(
    "are not more than the memory is good for: whoever has most loses the oldest",
    Effect.gen(function* () {
      const { port } = yield* Door.open({}, { references: Layer.succeed(Listener.MaxConnections, 20) })
      const sockets = yield* Effect.forEach(Array.from({ length: 20 }), () => connected(port))
      const flyte = yield* Door.client(`127.0.0.1:${port}`)
      assert.lengthOf((yield* flyte.listAgents).agents, 1)
      yield* closed(sockets[0]!)
      assert.deepStrictEqual(
        sockets.slice(1).map((socket) => socket.destroyed),
        Array.from({ length: 19 }, () => false)
      )
    })
  )
})

describe("a port that whoever likes may reach", () => {
  const warnings = Effect.fnUntraced(function* (env: Readonly<Record<string, string>>, options: Door.Options) {
    const { log } = yield* Door.open(env, options)
    return log.lines().flatMap(({ level, message }) => (level === "WARN" ? [String(message)] : []))
  }, Effect.scoped)

  live(
    "is a warning that names the ways out; one that is closed is none",
    Effect.gen(function* () {
      const [warning, ...more] = yield* warnings({}, { host: "0.0.0.0" })
      assert.deepStrictEqual(more, [])
      assert.match(
        String(warning),
        /^Whoever reaches 0\.0\.0\.0:\d+ may submit, read and cancel runs as every namespace/
      )
      for (const way of [
        "NetworkPolicy",
        "mesh",
        "FLYTE_DATABRICKS_LISTEN=unix:",
        "FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE",
        "FLYTE_DATABRICKS_CALLERS",
        "docs/security.md"
      ]) {
        assert.include(warning, way)
      }
      for (const host of ["127.0.0.1", "localhost", "::1"]) assert.deepStrictEqual(yield* warnings({}, { host }), [])
      assert.deepStrictEqual(
        yield* warnings({ FLYTE_DATABRICKS_CALLERS: "flyte/flytepropeller" }, { host: "0.0.0.0" }),
        []
      )
    })
  )
})
