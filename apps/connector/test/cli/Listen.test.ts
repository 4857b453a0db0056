/** Where `serve` listens, as it is told. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Log from "@flyte-databricks/emulators/testing/Log"
import { Effect, FileSystem } from "effect"
import * as ConnectorProcess from "../support/ConnectorProcess.ts"
import * as FlyteClient from "../support/FlyteClient.ts"

const noMetrics = ["--prometheus_port", "0"]

describe("connector serve", () => {
  it.live("listens on a socket in the file system, by a variable or a flag, and takes it away at the end", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = `${yield* files.makeTempDirectoryScoped()}/grpc.sock`
      for (const [env, args] of [
        [{ FLYTE_DATABRICKS_LISTEN: `unix:${path}` }, []],
        [{ FLYTE_DATABRICKS_LISTEN: "127.0.0.1:1" }, ["--listen", `unix:${path}`]]
      ] as const) {
        const connector = yield* ConnectorProcess.serve(env, [...noMetrics, ...args])
        const flyte = yield* FlyteClient.make(`unix:${path}`, [])
        assert.lengthOf((yield* flyte.listAgents).agents, 1)
        yield* connector.signal("SIGTERM")
        assert.strictEqual(yield* connector.exitCode, 0)
        const lines = (yield* connector.log).map((line) => Log.read(line))
        assert.include(
          lines.map(({ message }) => message),
          `Databricks Connector is listening on unix:${path}`
        )
        assert.notInclude(lines.map(({ message }) => String(message)).join("\n"), "Whoever reaches")
        assert.isFalse(yield* files.exists(path))
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("does not start where it cannot be told apart what is meant", () =>
    Effect.gen(function* () {
      for (const [args, env] of [
        [[], { FLYTE_DATABRICKS_LISTEN: "grpc.sock" }],
        [["--listen", "grpc.sock"], {}]
      ] as const) {
        const { exitCode, stderr, stdout } = yield* ConnectorProcess.finished(["serve", ...args], env)
        assert.strictEqual(exitCode, 1)
        assert.include(`${stdout}${stderr}`, "unix:/PATH, or HOST:PORT")
        assert.include(`${stdout}${stderr}`, "grpc.sock")
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("warns of a port that whoever likes may reach", () =>
    Effect.gen(function* () {
      const connector = yield* ConnectorProcess.serve({ FLYTE_DATABRICKS_LISTEN: "0.0.0.0:0" }, noMetrics)
      const lines = (yield* connector.log).map((line) => Log.read(line))
      const [warning, ...more] = lines.filter(({ message }) => String(message).startsWith("Whoever reaches"))
      assert.deepStrictEqual(more, [])
      assert.include(String(warning?.message), `Whoever reaches 0.0.0.0:${connector.port} may submit`)
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
