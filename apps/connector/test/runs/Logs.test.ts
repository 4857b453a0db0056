/** What a run printed, in pages; and metrics, of which there are none. */
import { create } from "@bufbuild/protobuf"
import { assert, describe } from "@effect/vitest"
import { Fault, type RunPlan } from "@flyte-databricks/emulators"
import { Flyte1, Flyte2, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Effect, Fiber } from "effect"
import type { FlyteClient } from "../support/FlyteClient.ts"
import { readMetadata, refusal } from "../support/outcomes.ts"
import * as tasks from "../support/tasks.ts"
import { scenario, type World } from "../support/World.ts"

const agent = grpcServiceDefinition(Flyte1.AsyncAgentService)
const connector2 = grpcServiceDefinition(Flyte2.AsyncConnectorService)
const taskCategory = { name: "databricks" }
const outputPath = "/api/2.1/jobs/runs/get-output"

interface Request {
  readonly resourceMeta: Uint8Array
  readonly lines?: bigint
  readonly token?: string
}

/** A page, in the fields of today and in the deprecated one. */
const page = Effect.fnUntraced(function* (flyte: FlyteClient, request: Request) {
  const parts = yield* flyte.stream(
    agent.getTaskLogs,
    create(Flyte1.GetTaskLogsRequestSchema, { taskCategory, ...request })
  )
  const lines = parts.flatMap(({ part }) => (part.case === "body" ? part.value.structuredLines : []))
  const results = parts.flatMap(({ part }) => (part.case === "body" ? part.value.results : []))
  assert.deepStrictEqual(
    results,
    lines.map(({ message }) => message)
  )
  const [header, ...others] = parts.flatMap(({ part }) => (part.case === "header" ? part.value.token : []))
  assert.deepStrictEqual(others, [])
  return {
    text: results,
    by: lines.map(({ originator }) => originator),
    next: header ?? assert.fail("no header"),
    parts
  }
})

const over = { lifeCycleState: "TERMINATED", resultState: "FAILED", message: "Workload failed" }

const printed = Effect.fnUntraced(function* (
  { workspace }: World,
  flyte: FlyteClient,
  output: RunPlan.RunOutput,
  task?: tasks.TaskOptions
) {
  const resourceMeta = yield* flyte.createTask(tasks.createTask(task))
  yield* workspace.setRunPlan(BigInt(readMetadata(resourceMeta)["run_id"] ?? ""), { phases: [over], output })
  return resourceMeta
})

const serverless = { environment_key: "default" }

describe("the output of a run", () => {
  scenario("is what it printed, its error and its trace, each line with its end", (world) =>
    world.serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const output = { logs: "one\ntwo\r\n\nthree", error: "ValueError: no", errorTrace: "Traceback\n  File x\n" }
        const resourceMeta = yield* printed(world, flyte, output)
        const { text, by, next } = yield* page(flyte, { resourceMeta })
        assert.deepStrictEqual(text, ["one\n", "two\r\n", "\n", "three", "ValueError: no", "Traceback\n", "  File x\n"])
        assert.deepStrictEqual(new Set(by), new Set([Flyte1.LogLineOriginator.USER]))
        assert.strictEqual(next, "")
      })
    )
  )

  scenario("of a serverless job and of a notebook is that of its task", (world) =>
    world.serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const custom = { notebookPath: "/Workspace/nightly" }
        const notebook = { node: "n1", custom, databricksConf: serverless }
        const file = { node: "n2", databricksConf: serverless }
        for (const [task, output] of [
          [notebook, { notebookResult: "42 rows" }],
          [file, { logs: "42 rows" }]
        ] as const) {
          const resourceMeta = yield* printed(world, flyte, output, task)
          const { text } = yield* page(flyte, { resourceMeta })
          assert.strictEqual(text[0], "42 rows")
        }
      })
    )
  )

  scenario("comes in pages of as many lines as are asked for", (world) =>
    world.serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const numbers = Array.from({ length: 25 }, (_, n) => `${n}\n`)
        const resourceMeta = yield* printed(world, flyte, { logs: numbers.join(""), error: "failed" })
        const read: Array<string> = []
        const sizes: Array<number> = []
        for (let token = "", more = true; more;) {
          const { text, next } = yield* page(flyte, { resourceMeta, lines: 10n, token })
          read.push(...text)
          sizes.push(text.length)
          token = next
          more = next !== ""
        }
        assert.deepStrictEqual(sizes, [10, 10, 6])
        assert.deepStrictEqual(read, [...numbers, "failed"])
      })
    )
  )

  scenario("of several megabytes, also in one line, comes in pages whose messages a client takes", (world) =>
    world.serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const logs = `${"x".repeat(3_000_000)}\n${"é\n".repeat(5000)}`
        const resourceMeta = yield* printed(world, flyte, { logs, error: "failed" })
        const read: Array<string> = []
        for (let token = "", more = true; more;) {
          const { text, next } = yield* page(flyte, { resourceMeta, lines: 1_000_000n, token })
          assert.isAtMost(text.join("").length, 1_200_000)
          read.push(...text)
          token = next
          more = next !== ""
        }
        assert.strictEqual(read.join(""), `${logs}failed`)
      })
    )
  )

  scenario("is not there while the run goes on, and the page says so", (world) =>
    world.serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        const { text, by, next } = yield* page(flyte, { resourceMeta })
        assert.deepStrictEqual(text, [
          "The run is INITIALIZING: Databricks gives the output of a task once it is over.\n"
        ])
        assert.deepStrictEqual([by, next], [[Flyte1.LogLineOriginator.SYSTEM], ""])
      })
    )
  )

  scenario("is given to Flyte 2 too", (world) =>
    world.serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* printed(world, flyte, { logs: "one\n", error: "two" })
        const request = create(Flyte2.GetTaskLogsRequestSchema, { taskCategory, resourceMeta, lines: 1n })
        const parts = yield* flyte.stream(connector2.getTaskLogs, request)
        assert.deepStrictEqual(
          parts.map(({ part }) => part.case),
          ["header", "body"]
        )
        const lines = parts.flatMap(({ part }) => (part.case === "body" ? part.value.lines : []))
        assert.deepStrictEqual(
          lines.map(({ message, originator }) => [message, originator]),
          [["one\n", Flyte2.LogLineOriginator.USER]]
        )
      })
    )
  )
})

describe("asking for logs", () => {
  scenario("with a page token that is none of this run's is an error that says so", (world) =>
    world.serving({}, (connector) =>
      Effect.gen(function* () {
        const { flyte } = connector
        const logs = "1\n2\n3\n"
        const resourceMeta = yield* printed(world, flyte, { logs })
        const other = yield* printed(world, flyte, { logs }, { node: "n1" })
        const { next } = yield* page(flyte, { resourceMeta: other, lines: 1n })
        yield* world.workspace.requests.clear
        for (const token of [
          next,
          "7",
          "../../x",
          "x".repeat(100_000),
          Buffer.from("databricks-logs:1:x").toString("base64url")
        ]) {
          const { code, details } = yield* refusal(connector, page(flyte, { resourceMeta, token }))
          assert.strictEqual(code, "INVALID_ARGUMENT")
          assert.include(details, "The page token is none of run 9007199254740993's")
        }
        assert.deepStrictEqual(yield* world.workspace.requests.all(), [])
      })
    )
  )

  scenario("with metadata that is unusable, or of a run that is gone, is an error", (world) =>
    world.serving({}, (connector) =>
      Effect.gen(function* () {
        const { flyte } = connector
        const unusable = yield* refusal(connector, page(flyte, { resourceMeta: Uint8Array.of(1) }))
        assert.strictEqual(unusable.code, "INVALID_ARGUMENT")
        const own = readMetadata(yield* flyte.createTask(tasks.createTask()))
        const resourceMeta = new TextEncoder().encode(JSON.stringify({ ...own, run_id: "404" }))
        assert.strictEqual((yield* refusal(connector, page(flyte, { resourceMeta }))).code, "NOT_FOUND")
      })
    )
  )

  scenario("and going away ends the work", (world) =>
    world.serving({}, ({ flyte, log }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* printed(world, flyte, { logs: "1" })
        const gate = yield* world.workspace.faults.hold({ path: outputPath })
        const call = yield* Effect.forkChild(page(flyte, { resourceMeta }))
        yield* gate.arrived
        yield* Fiber.interrupt(call)
        const { annotations } = yield* log.waitFor(({ message }) => String(message) === "GetTaskLogs")
        assert.strictEqual(annotations["outcome"], "cancelled by the caller")
        yield* gate.release
        assert.deepStrictEqual((yield* page(flyte, { resourceMeta })).text.slice(0, 1), ["1"])
      })
    )
  )

  scenario("rides out a hiccup", (world) =>
    world.serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* printed(world, flyte, { logs: "1" })
        yield* world.workspace.faults.add({ path: outputPath, times: 1, action: Fault.status(503) })
        assert.deepStrictEqual((yield* page(flyte, { resourceMeta })).text.slice(0, 1), ["1"])
      })
    )
  )
})

scenario("metrics are UNIMPLEMENTED, in words that say where there are some", ({ serving }) =>
  serving({}, (connector) =>
    Effect.gen(function* () {
      const request = { taskCategory }
      const { code, details } = yield* refusal(
        connector,
        connector.flyte.call(agent.getTaskMetrics, create(Flyte1.GetTaskMetricsRequestSchema, request))
      )
      assert.strictEqual(code, "UNIMPLEMENTED")
      assert.include(details, "There are no metrics")
      yield* refusal(
        connector,
        connector.flyte.call(connector2.getTaskMetrics, create(Flyte2.GetTaskMetricsRequestSchema, request))
      )
    })
  )
)
