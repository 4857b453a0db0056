/** What Prometheus reads, under the names of Flyte's own connector. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace, Fault } from "@flyte-databricks/emulators"
import { Effect } from "effect"
import { createServer } from "node:net"
import * as ConnectorProcess from "../support/ConnectorProcess.ts"
import * as FlyteClient from "../support/FlyteClient.ts"
import * as tasks from "../support/tasks.ts"
import * as World from "../support/World.ts"

const listening = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.succeed({ port, close: () => server.close() }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

const read = (port: number, path = "/metrics") =>
  Effect.promise(() =>
    fetch(`http://127.0.0.1:${port}${path}`).then(async (answer) => [answer.status, await answer.text()] as const)
  )

const started = Effect.fnUntraced(function* (port: number) {
  const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
  const env = { FLYTE_DATABRICKS_INSTANCE: workspace.url, ...World.withConnectorPat }
  const connector = yield* ConnectorProcess.serve(env, ["--prometheus_port", String(port)])
  return { workspace, connector, flyte: yield* FlyteClient.make(`127.0.0.1:${connector.port}`, []) }
})

describe("metrics", () => {
  it.live(
    "count calls by task type, operation and how they ended",
    () =>
      Effect.gen(function* () {
        const { port, close } = yield* listening
        close()
        const { workspace, flyte } = yield* started(port)
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        yield* flyte.getTask(resourceMeta)
        yield* workspace.faults.add({ path: "/api/2.1/jobs/runs/get", action: Fault.status(503) })
        yield* flyte.getTask(resourceMeta, { timeout: 3000 })
        yield* Effect.flip(flyte.createTask(tasks.createTask({ execution: "" })))
        yield* Effect.flip(flyte.createTask(tasks.createTask({ type: "made-up\n{by} a caller" })))

        const [status, text] = yield* read(port)
        assert.strictEqual(status, 200)
        const lines = text.split("\n")
        const databricks = (operation: string) => `task_type="databricks",operation="${operation}"`
        for (const line of [
          `flyte_connector_requests_success_total{${databricks("create")}} 1`,
          `flyte_connector_requests_success_total{${databricks("get")}} 2`,
          `flyte_connector_requests_spared_total{${databricks("get")},outcome="JobsUnavailable"} 1`,
          `flyte_connector_requests_failure_total{${databricks("create")},error_code="400"} 1`,
          'flyte_connector_requests_failure_total{task_type="unknown",operation="create",error_code="404"} 1',
          `flyte_connector_request_latency_seconds_count{${databricks("get")}} 2`,
          'flyte_connector_input_literal_bytes_count{task_type="databricks"} 2'
        ]) {
          assert.include(lines, line)
        }
        assert.include(lines, "# TYPE flyte_connector_request_latency_seconds summary")
        assert.notInclude(text, "made-up")
        assert.strictEqual((yield* read(port, "/secrets"))[0], 404)
      }).pipe(Effect.provide(NodeServices.layer)),
    60_000
  )

  it.live(
    "that cannot be served are a warning, and tasks run all the same",
    () =>
      Effect.gen(function* () {
        const { port } = yield* listening
        const { connector, flyte } = yield* started(port)
        assert.isNotEmpty(yield* flyte.createTask(tasks.createTask()))
        assert.include((yield* connector.log).join("\n"), "Metrics are not served")
      }).pipe(Effect.provide(NodeServices.layer)),
    60_000
  )
})
