/** Audit events on a stream of the process: what else is there, and what becomes of a reader that does not read. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import { Effect, Fiber, Schema, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import { AuditEvent } from "../../src/audit/AuditEvent.ts"
import * as ConnectorProcess from "../support/ConnectorProcess.ts"
import * as FlyteClient from "../support/FlyteClient.ts"
import * as tasks from "../support/tasks.ts"
import * as World from "../support/World.ts"

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(AuditEvent))
const source = (name: string) => JSON.stringify(fileURLToPath(new URL(`../../src/audit/${name}`, import.meta.url)))

/** Fills a pipe that nobody reads, and says on standard error how long that held it up. */
const stuck = `
import * as Effect from "effect/Effect"
import * as Device from ${source("Device.ts")}
import * as Writer from ${source("Writer.ts")}
let ticks = 0
process.stdout
setInterval(() => ticks++, 10)
await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
  const told = { changed: () => Effect.void }
  const writer = yield* Writer.make(Device.ofStream("stdout"), told, { isSynced: true })
  for (let index = 0; index < 500; index++) yield* writer.add("x".repeat(1000) + "\\n", () => {}, () => {})
  const before = ticks
  const { problem } = yield* Effect.flip(writer.addAndWait("y\\n", () => {}))
  console.error(JSON.stringify({ problem, ticks: ticks - before }))
})))
process.exit(0)
`
const Said = Schema.fromJsonString(Schema.Struct({ problem: Schema.String, ticks: Schema.Int }))

describe("standard output", () => {
  it.live(
    "has the events and nothing else",
    () =>
      Effect.gen(function* () {
        const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
        const connector = yield* ConnectorProcess.serve({
          FLYTE_DATABRICKS_INSTANCE: workspace.url,
          FLYTE_DATABRICKS_AUDIT: "stdout",
          FLYTE_DATABRICKS_AUDIT_REQUIRED: "true",
          ...World.withConnectorPat
        })
        const flyte = yield* FlyteClient.make(`127.0.0.1:${connector.port}`, [])
        yield* flyte.createTask(tasks.createTask({ namespace: "" }))
        yield* connector.signal("SIGTERM")
        const text = yield* Fiber.join(connector.output)
        const events = text
          .split("\n")
          .slice(0, -1)
          .map((line) => decode(line).event)
        assert.deepStrictEqual(events, ["identity.resolved", "run.intended", "run.submitted"])
        assert.notInclude(text, World.connectorPat.token)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    60_000
  )

  it.live(
    "that nobody reads holds nothing up: who waits hears so, and the event loop turns",
    () =>
      Effect.gen(function* () {
        const child = yield* ChildProcess.make(process.execPath, ["--input-type=module", "--eval", stuck], {
          cwd: fileURLToPath(new URL("../..", import.meta.url))
        })
        const text = yield* child.stderr.pipe(Stream.decodeText(), Stream.mkString)
        const { problem, ticks } = Schema.decodeUnknownSync(Said)(text.trim().split("\n").at(-1))
        assert.match(problem, /^nothing was taken for 2\.\d s$/)
        assert.isAbove(ticks, 50)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    60_000
  )
})
