/** The command lines: what they take, how they end, and how they look. */
import { assert, describe, it } from "@effect/vitest"
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import { BinaryWriter } from "@bufbuild/protobuf/wire"
import { NodeServices } from "@effect/platform-node"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { ConfigProvider, Effect, Layer, Stdio, Terminal } from "effect"
import { TestConsole } from "effect/testing"
import { readFileSync } from "node:fs"
import { stripVTControlCharacters } from "node:util"
import * as Output from "../../src/diagnose/Output.ts"
import * as Text from "../../src/diagnose/Text.ts"
import * as ConnectorProcess from "../support/ConnectorProcess.ts"
import { canaries, onBench } from "./Bench.ts"

const requests = new URL(
  "../../../../packages/flyte-protocol/test/fixtures/flyte1-create-requests.json",
  import.meta.url
)

describe("a command line", () => {
  it.live(
    "that is not understood ends with 3, in every format, and names what is wrong",
    onBench(({ run, directory, files }) =>
      Effect.gen(function* () {
        const empty = `${directory}/empty.json`
        yield* files.writeFileString(empty, "[1]")
        for (const [args, words] of [
          [["explain"], "--namespace"],
          [["explain", "--namespace", "a", "--nonsense"], "nonsense"],
          [["explain", "--namespace", "a", "-o", "xml"], "xml"],
          [["explain", "--namespace", "a", "--task", "/nowhere"], "cannot be read (NotFound)"],
          [["explain", "--namespace", "a", "--task", empty], "holds no task"]
        ] as const) {
          for (const format of [[], ["-o", "json"]]) {
            const { exitCode, stderr, stdout } = yield* run([...args, ...(args.includes("-o" as never) ? [] : format)])
            assert.strictEqual(exitCode, 3, args.join(" "))
            assert.include(stderr + stdout, words)
          }
        }
      })
    ),
    60_000
  )

  it.live(
    "ends its process with the exit code of its report, and writes nothing else to standard output",
    () =>
      Effect.gen(function* () {
        const env = { FLYTE_DATABRICKS_INSTANCE: "https://127.0.0.1:1", HOME: "/nowhere" }
        const failed = yield* ConnectorProcess.finished(["explain", "--namespace", "a", "-o", "json"], env)
        assert.strictEqual(failed.exitCode, 1, failed.stderr)
        assert.strictEqual(JSON.parse(failed.stdout).exitCode, 1)
        const misused = yield* ConnectorProcess.finished(["explain", "--nonsense"], env)
        assert.strictEqual(misused.exitCode, 3)
        const completions = yield* ConnectorProcess.finished(["--completions", "bash"], env)
        for (const word of ["explain", "doctor", "onboard", "--all-namespaces"])
          assert.include(completions.stdout, word)
      }).pipe(Effect.provide(NodeServices.layer)),
    60_000
  )
})

describe("--task", () => {
  it.live(
    "takes what Flyte sends, as JSON and serialized",
    onBench(({ run, directory, files }) =>
      Effect.gen(function* () {
        const file = `${directory}/task`
        const custom = { databricksAuthType: "oauth_m2m" }
        for (const text of [custom, { custom }, { type: "spark", custom }, { template: { type: "spark", custom } }]) {
          yield* files.writeFileString(file, JSON.stringify(text))
          const { stdout } = yield* run(["explain", "--namespace", "team-oauth", "--no-exchange", "--task", file])
          assert.include(stdout, "oauth_m2m  (databricksAuthType of the task)")
        }
        const [{ request_base64 = "" } = {}] = JSON.parse(readFileSync(requests, "utf8")) as ReadonlyArray<
          Record<string, string>
        >
        const request = Buffer.from(request_base64, "base64")
        const { template } = fromBinary(Flyte1.CreateTaskRequestSchema, request)
        const alone = toBinary(Flyte1.TaskTemplateSchema, template ?? assert.fail("no template"))
        // A TaskSpec, which `pyflyte serialize` writes: the template is its field 1.
        const specification = new BinaryWriter().tag(1, 2).bytes(alone).finish()
        for (const bytes of [request, alone, specification]) {
          yield* files.writeFile(file, bytes)
          const { stdout } = yield* run(["explain", "--namespace", "team-oauth", "--no-exchange", "--task", file])
          assert.include(stdout, "dbc-a1b2.cloud.databricks.com  (databricksInstance of the task)")
        }
      })
    ),
    60_000
  )
})

describe("text", () => {
  const report = {
    version: 1,
    command: "explain",
    exitCode: 1,
    checks: [
      {
        check: "me",
        status: "error",
        code: "FDC408",
        text: "one two three four five six seven eight nine",
        repair: "five six",
        see: "x"
      }
    ],
    explanations: []
  } as const

  it("is the same in each pipe, and has colour and the width of a terminal", () => {
    const plain = Text.render(report, Text.plain)
    assert.notInclude(plain, "\u001b")
    const styled = Text.render(report, { colour: true, width: 22 })
    assert.include(styled, "\u001b[31merror  \u001b[0m")
    assert.isAbove(styled.split("\n").length, plain.split("\n").length)
    assert.include(
      Text.renderShort(report, Text.plain),
      "FDC408 me: one two three four five six seven eight nine\n1 error, 0 warnings."
    )
  })

  it.effect("goes by the terminal and NO_COLOR, and by neither in a pipe", () =>
    Effect.gen(function* () {
      const terminal = Terminal.make({
        columns: Effect.succeed(40),
        rows: Effect.succeed(20),
        size: Effect.never,
        readInput: Effect.never,
        readLine: Effect.never,
        display: () => Effect.void
      })
      const printed = (isTerminal: boolean, env: Record<string, string>) =>
        Effect.andThen(Effect.ignore(Output.finish(report, "text")), TestConsole.logLines).pipe(
          Effect.map((lines) => lines.join("\n")),
          Effect.provide(
            [
              TestConsole.layer,
              ConfigProvider.layer(ConfigProvider.fromEnv({ env })),
              Stdio.layerTest({ stdoutIsTerminal: Effect.succeed(isTerminal) }),
              Layer.succeed(Terminal.Terminal, terminal)
            ],
            { local: true }
          )
        )
      const shown = yield* printed(true, {})
      assert.include(shown, "\u001b[31m")
      const colourless = yield* printed(true, { NO_COLOR: "1" })
      assert.notInclude(colourless, "\u001b")
      assert.strictEqual(colourless, stripVTControlCharacters(shown))
      assert.isAtMost(Math.max(...colourless.split("\n").map((line) => line.length)), 40)
      // Blank is unset (https://no-color.org).
      assert.strictEqual(yield* printed(true, { NO_COLOR: "" }), shown)
      const piped = yield* printed(false, {})
      assert.strictEqual(piped, Text.render(report, Text.plain))
      assert.strictEqual(yield* printed(false, { NO_COLOR: "1" }), piped)
    })
  )

  it("holds no canary by itself", () => {
    for (const canary of Object.values(canaries)) assert.notInclude(Text.render(report, Text.plain), canary)
  })
})
