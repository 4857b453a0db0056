/** Being told to stop: calls under way finish, and until they have, whoever asks is answered. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import { Effect, Fiber } from "effect"
import * as ConnectorProcess from "./support/ConnectorProcess.ts"
import * as FlyteClient from "./support/FlyteClient.ts"
import * as tasks from "./support/tasks.ts"
import * as World from "./support/World.ts"

const slow = 60_000
const submit = { path: "/api/2.1/jobs/runs/submit" }

const started = Effect.fnUntraced(function* (args: ReadonlyArray<string> = []) {
  const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
  const env = { FLYTE_DATABRICKS_INSTANCE: workspace.url, ...World.withConnectorPat }
  const connector = yield* ConnectorProcess.serve(env, args)
  const connect = FlyteClient.make(`127.0.0.1:${connector.port}`, [])
  return { workspace, connector, connect, flyte: yield* connect }
})

describe.each(["SIGTERM", "SIGINT"] as const)("on %s", (signal) => {
  it.live(
    "a call under way is answered, health says NOT_SERVING, new connections are served until then, and the exit code is 0",
    () =>
      Effect.gen(function* () {
        const { workspace, connector, connect, flyte } = yield* started()
        const health = yield* flyte.watchHealth("")
        assert.strictEqual(yield* health.next, "SERVING")
        const gate = yield* workspace.faults.hold(submit)
        const call = yield* Effect.forkChild(flyte.createTask(tasks.createTask()))
        yield* gate.arrived

        yield* connector.signal(signal)
        assert.strictEqual(yield* health.next, "NOT_SERVING")
        // One poll of the registry that fails would lose the tasks under way, and Flyte makes it on a new connection.
        const late = yield* connect
        assert.lengthOf((yield* late.listAgents).agents, 1)
        assert.strictEqual(yield* late.health(""), "NOT_SERVING")

        yield* gate.release
        const resourceMeta = yield* Fiber.join(call)
        assert.isNotEmpty(resourceMeta)
        assert.strictEqual(yield* connector.exitCode, 0)
        yield* Fiber.join(connector.errors)
        assert.deepStrictEqual(
          (yield* connector.calls).map(({ message, annotations }) => [message, annotations["outcome"]]),
          [["CreateTask", "ok"]]
        )
        assert.strictEqual(yield* Fiber.join(connector.output), "")
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )
})

it.live(
  "with nothing under way it goes on for as long as others may take to hear of it",
  () =>
    Effect.gen(function* () {
      const { connector, connect, flyte } = yield* started(["--drain-delay", "1 second"])
      const health = yield* flyte.watchHealth("")
      assert.strictEqual(yield* health.next, "SERVING")
      yield* connector.signal("SIGTERM")
      assert.strictEqual(yield* health.next, "NOT_SERVING")
      assert.lengthOf((yield* (yield* connect).listAgents).agents, 1)
      assert.isNotEmpty(yield* flyte.createTask(tasks.createTask()))
      assert.strictEqual(yield* connector.exitCode, 0)
    }).pipe(Effect.provide(NodeServices.layer)),
  slow
)

it.live(
  "a connection that only watches health does not hold up the end",
  () =>
    Effect.gen(function* () {
      const { connector, flyte } = yield* started(["--drain-timeout", "1 hour"])
      const health = yield* flyte.watchHealth("")
      assert.strictEqual(yield* health.next, "SERVING")
      yield* connector.signal("SIGTERM")
      assert.strictEqual(yield* health.next, "NOT_SERVING")
      assert.strictEqual(yield* connector.exitCode, 0)
    }).pipe(Effect.provide(NodeServices.layer)),
  slow
)

it.live(
  "a call that outlasts the drain timeout is cut off, and the log says so",
  () =>
    Effect.gen(function* () {
      const { workspace, connector, flyte } = yield* started(["--drain-timeout", "300 millis"])
      const gate = yield* workspace.faults.hold(submit)
      const call = yield* Effect.forkChild(Effect.flip(flyte.createTask(tasks.createTask())))
      yield* gate.arrived
      yield* connector.signal("SIGTERM")
      assert.include(["UNAVAILABLE", "CANCELLED"], (yield* Fiber.join(call)).code)
      assert.strictEqual(yield* connector.exitCode, 0)
      yield* Fiber.join(connector.errors)
      assert.include((yield* connector.log).join("\n"), "still under way after 300ms")
    }).pipe(Effect.provide(NodeServices.layer)),
  slow
)
