/** What is left to send when the connector ends: it is sent, and a collector that does not take it holds nobody up. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import { Effect } from "effect"
import * as ConnectorProcess from "../support/ConnectorProcess.ts"
import * as FlyteClient from "../support/FlyteClient.ts"
import * as OtlpReceiver from "../support/OtlpReceiver.ts"
import * as tasks from "../support/tasks.ts"
import * as World from "../support/World.ts"

const calling = Effect.fnUntraced(function* (receiver: OtlpReceiver.OtlpReceiver) {
  const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
  const connector = yield* ConnectorProcess.serve({
    FLYTE_DATABRICKS_INSTANCE: workspace.url,
    // So long that nothing is sent before the end.
    OTEL_BSP_SCHEDULE_DELAY: "600000",
    OTEL_METRIC_EXPORT_INTERVAL: "600000",
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    ...World.withConnectorPat
  })
  const flyte = yield* FlyteClient.make(`127.0.0.1:${connector.port}`, [])
  yield* flyte.createTask(tasks.createTask())
  yield* connector.signal("SIGTERM")
  return { exitCode: yield* connector.exitCode, log: (yield* connector.log).join("\n") }
})

describe("the end of the connector", () => {
  it.live(
    "sends what there is",
    () =>
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        const { exitCode } = yield* calling(receiver)
        assert.strictEqual(exitCode, 0)
        assert.isTrue(receiver.spans.some(({ name }) => name.endsWith("/CreateTask")))
        const [calls] = receiver.metrics().filter(({ name }) => name === "rpc.server.call.duration")
        assert.strictEqual(calls?.histogram?.dataPoints[0]?.count, 1)
        assert.strictEqual(calls?.unit, "s")
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    60_000
  )

  it.live(
    "does not wait for a collector that is silent",
    () =>
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        receiver.answers(() => undefined)
        const { exitCode, log } = yield* Effect.timeout(calling(receiver), "30 seconds")
        assert.strictEqual(exitCode, 0)
        assert.include(log, "Stopped")
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    60_000
  )
})
