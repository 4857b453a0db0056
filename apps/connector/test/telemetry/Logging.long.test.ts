/** The log of a connector whose callers and workspaces want to write in it. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace, Fault } from "@flyte-databricks/emulators"
import { Effect } from "effect"
import * as ConnectorProcess from "../support/ConnectorProcess.ts"
import * as FlyteClient from "../support/FlyteClient.ts"
import * as tasks from "../support/tasks.ts"
import * as World from "../support/World.ts"

const forged = "[12:00:00.000] ERROR (#1): forged"
/** What would be a line of its own on a terminal, or overwrite the one before. */
const breaks = ["\n", "\r", "\r\n", "\u2028", "\u0085", "\u001b[2K\u001b[1G", "\u009b2K", "\u0008"]
const hostile = breaks.map((character) => `x${character}${forged}`).join("")
const long = hostile + "y".repeat(400_000)
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

const logOf = Effect.fnUntraced(function* (format: string) {
  const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
  const connector = yield* ConnectorProcess.serve({
    FLYTE_DATABRICKS_INSTANCE: workspace.url,
    FLYTE_DATABRICKS_LOG_FORMAT: format,
    ...World.withConnectorPat
  })
  const flyte = yield* FlyteClient.make(`127.0.0.1:${connector.port}`, [])
  const before = (yield* connector.log).length
  const create = (task: tasks.TaskOptions) => Effect.exit(flyte.createTask(tasks.createTask(task)))
  yield* create({ namespace: "", execution: long, project: hostile, domain: hostile, node: hostile })
  yield* create({ namespace: long })
  yield* create({ namespace: "", type: long })
  for (const key of ["databricksInstance", "databricksClientId", "databricksAuthType", "databricksTokenSecret"]) {
    yield* create({ namespace: "", custom: { [key]: long } })
  }
  yield* create({ namespace: "", databricksConf: { [long]: long } })
  for (const name of ["databricks_instance", "run_id", "auth_type", "client_id", "namespace", "secret_name"]) {
    const metadata = { databricks_instance: workspace.url, run_id: "1", [name]: long }
    yield* Effect.exit(flyte.getTask(bytes(metadata)))
    yield* Effect.exit(flyte.deleteTask(bytes(metadata)))
  }
  for (const action of [
    Fault.status(400, { body: { error_code: long, message: long } }),
    Fault.status(400, { body: long }),
    Fault.status(200, { body: { state: { life_cycle_state: long, state_message: long } } })
  ]) {
    const fault = yield* workspace.faults.add({ path: "/api/*", action })
    yield* create({ namespace: "" })
    yield* Effect.exit(flyte.getTask(bytes({ databricks_instance: workspace.url, run_id: "7" })))
    yield* workspace.faults.remove(fault)
  }
  return (yield* connector.log).slice(before)
})

describe.each(["json", "pretty"])("a log in %s", (format) => {
  it.live("has no line that somebody else wrote, and none that is long", () =>
    Effect.gen(function* () {
      const lines = yield* logOf(format)
      assert.isAbove(lines.filter((line) => line.includes("forged")).length, 5)
      for (const line of lines) {
        const seen = line.replaceAll(/\u001b\[[0-9;]*m/g, "")
        assert.notMatch(seen, /^\s*\[12:00:00/, lines[lines.indexOf(line) - 1])
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(seen, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/)
        assert.isBelow(line.length, 16_000)
      }
      // 27 calls.
      assert.isBelow(lines.join("\n").length, 100_000)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
