/** An image with this connector takes the place of Flyte's own: it is started by their commands. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ConnectorProcess from "../support/ConnectorProcess.ts"
import * as FlyteClient from "../support/FlyteClient.ts"

describe("the connector serves when it is started as", () => {
  // The last as the chart of Flyte 1.10 has it.
  const commands = [["c0"], ["pyflyte", "serve", "agent"], ["pyflyte", "serve", "connector"], ["pyflyte", "serve"]]
  for (const command of commands) {
    it.live(
      `${command.join(" ")}, with the flags of Flyte's own`,
      () =>
        Effect.gen(function* () {
          const flags = [
            "--prometheus_port",
            "0",
            "--worker",
            "10",
            "--timeout",
            "1",
            "--modules",
            "a",
            "--modules",
            "b"
          ]
          const connector = yield* ConnectorProcess.serve({}, flags, undefined, command)
          const flyte = yield* FlyteClient.make(`127.0.0.1:${connector.port}`, [])
          assert.strictEqual(yield* flyte.health(""), "SERVING")
          yield* connector.signal("SIGTERM")
          assert.strictEqual(yield* connector.exitCode, 0)
        }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
      60_000
    )
  }
})

describe("the connector does not end as if all were well when it is started as", () => {
  for (const args of [
    ["pyflyte", "serve", "agnet"],
    ["pyflyte", "serve", "--prot", "0"],
    ["pyflyte", "serve", "--port", "0", "agent", "extra"]
  ]) {
    it.live(
      args.join(" "),
      () =>
        Effect.gen(function* () {
          assert.strictEqual((yield* ConnectorProcess.finished(args)).exitCode, 1)
        }).pipe(Effect.provide(NodeServices.layer)),
      60_000
    )
  }

  it.live(
    "pyflyte serve, with a flag before agent: it is the same as after",
    () =>
      Effect.gen(function* () {
        const connector = yield* ConnectorProcess.serve({}, ["agent"], undefined, ["pyflyte", "serve"])
        const flyte = yield* FlyteClient.make(`127.0.0.1:${connector.port}`, [])
        assert.strictEqual(yield* flyte.health(""), "SERVING")
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    60_000
  )
})
