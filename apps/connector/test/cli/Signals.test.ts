/** Signals that a server survives. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import { Effect, Fiber } from "effect"
import * as ConnectorProcess from "../support/ConnectorProcess.ts"
import * as FlyteClient from "../support/FlyteClient.ts"
import * as tasks from "../support/tasks.ts"
import * as World from "../support/World.ts"

describe.each(["SIGUSR1", "SIGUSR2", "SIGHUP"] as const)("on %s", (signal) => {
  it.live("the connector goes on, a call under way is answered, and nobody gets to debug it", () =>
    Effect.gen(function* () {
      const submit = { path: "/api/2.1/jobs/runs/submit" }
      const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
      const connector = yield* ConnectorProcess.serve({
        FLYTE_DATABRICKS_INSTANCE: workspace.url,
        ...World.withConnectorPat,
        // Were it opened, it would be on a free port, and say so on standard error.
        NODE_OPTIONS: "--inspect-port=127.0.0.1:0"
      })
      const flyte = yield* FlyteClient.make(`127.0.0.1:${connector.port}`, [])
      const gate = yield* workspace.faults.hold(submit)
      const call = yield* Effect.forkChild(flyte.createTask(tasks.createTask()))
      yield* gate.arrived
      yield* connector.signal(signal)
      assert.lengthOf((yield* flyte.listAgents).agents, 1)
      yield* gate.release
      assert.isNotEmpty(yield* Fiber.join(call))

      yield* connector.signal("SIGTERM")
      assert.strictEqual(yield* connector.exitCode, 0)
      yield* Fiber.join(connector.errors)
      assert.notInclude((yield* connector.log).join("\n"), "Debugger listening")
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
