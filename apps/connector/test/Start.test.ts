/** The first moments: the registry is answered for before there is anything to run a task on. */
import { assert, describe, it } from "@effect/vitest"
import { AuthSummary } from "@flyte-databricks/databricks-auth"
import { ConfigProvider, Deferred, Duration, Effect, Exit, Fiber, Layer, Option } from "effect"
import { createServer } from "node:net"
import * as ConnectorServer from "../src/cli/ConnectorServer.ts"
import * as DatabricksConnector from "../src/DatabricksConnector.ts"
import * as FlyteClient from "./support/FlyteClient.ts"
import * as tasks from "./support/tasks.ts"

/** A port that nobody listens on: the server says which one it has only once it has started. */
const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const options = (port: number) => ({
  host: "127.0.0.1",
  port,
  maxMessageBytes: 4 * 1024 * 1024,
  maxConcurrentStreams: 1000,
  maxConnectionAge: Duration.minutes(5),
  drainDelay: Duration.zero,
  drainTimeout: Duration.seconds(5)
})

const resourceMeta = Uint8Array.of(1, 2, 3)

const started = Layer.merge(
  Layer.mock(DatabricksConnector.DatabricksConnector, { create: () => Effect.succeed(resourceMeta) }),
  Layer.mock(AuthSummary.AuthSummary, { warnings: [] })
)

const environment = ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} }))

describe("while the connector starts", () => {
  it.live("the registry is answered for, health is NOT_SERVING, and a call waits for the start", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const gate = yield* Deferred.make<void>()
      const held = Layer.unwrap(Effect.as(Deferred.await(gate), started))
      const serving = yield* Layer.build(Layer.provide(ConnectorServer.layerOf(options(port), held), environment)).pipe(
        Effect.forkScoped({ startImmediately: true })
      )
      const flyte = yield* FlyteClient.make(`127.0.0.1:${port}`, [])
      assert.lengthOf((yield* flyte.listAgents).agents, 1)
      assert.strictEqual(yield* flyte.health(""), "NOT_SERVING")
      const health = yield* flyte.watchHealth("")
      assert.strictEqual(yield* health.next, "NOT_SERVING")

      const late = yield* Effect.flip(flyte.createTask(tasks.createTask(), { timeout: 5000 }))
      assert.strictEqual(late.code, "DEADLINE_EXCEEDED")
      assert.include(late.details, "while waiting for the connector to start")
      const call = yield* Effect.forkChild(flyte.createTask(tasks.createTask()))

      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual([...(yield* Fiber.join(call))], [...resourceMeta])
      assert.strictEqual(yield* health.next, "SERVING")
      yield* Fiber.join(serving)
    }).pipe(Effect.scoped)
  )

  it.live("that it cannot is an error at once, and the port is free again", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const broken = Layer.merge(started, Layer.effectDiscard(Effect.fail("half a pair" as const)))
      const serve = <E>(starting: Layer.Layer<Layer.Success<typeof started>, E>) =>
        Layer.build(Layer.provide(ConnectorServer.layerOf(options(port), starting), environment)).pipe(Effect.scoped)
      const exit = yield* Effect.exit(serve(broken))
      assert.deepStrictEqual(Option.getOrUndefined(Exit.findErrorOption(exit)), "half a pair")
      yield* serve(started)
    })
  )
})
