/**
 * Finds a Python for tests that run other people's clients, so that such tests skip aloud where there is none.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"

/** There is no Python with the modules that a test needs, and in CI that is a failure. */
class PythonMissing extends Schema.TaggedError<PythonMissing>()("PythonMissing", {
  python: Schema.String,
  modules: Schema.Array(Schema.String),
  problem: Schema.String
}) {
  override get message() {
    return `No Python with ${this.modules.join(", ")}: ${this.python}: ${this.problem}. Run \`npm run setup:python\`, or set FLYTE_DATABRICKS_PYTHON to the path of a python that has them`
  }
}

const venv = fileURLToPath(new URL("../../../../.venv/bin/python", import.meta.url))

const settings = Config.all({
  python: Config.String("FLYTE_DATABRICKS_PYTHON").pipe(Config.withDefault(venv)),
  ci: Config.Boolean("CI").pipe(Config.withDefault(false))
})

/** What a Python program left behind. */
interface PythonResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program, given as text, to its end. */
export const run = Effect.fnUntraced(
  function* (python: string, program: string, env: Readonly<Record<string, string>> = {}) {
    const handle = yield* ChildProcess.make(python, ["-c", program], { env, extendEnv: true })
    const text = (stream: typeof handle.stdout) => stream.pipe(Stream.decodeText(), Stream.mkString)
    const [stdout, stderr, exitCode] = yield* Effect.all([text(handle.stdout), text(handle.stderr), handle.exitCode], {
      concurrency: "unbounded"
    })
    return { exitCode: Number(exitCode), stdout, stderr } satisfies PythonResult
  },
  Effect.scoped,
  Effect.provide(NodeServices.layer)
)

const check = Effect.fnUntraced(function* (python: string, modules: ReadonlyArray<string>) {
  const files = yield* FileSystem.FileSystem
  if (!(yield* files.exists(python))) return "there is no such file"
  const { exitCode, stderr } = yield* run(python, modules.map((module) => `import ${module}`).join("\n"))
  return exitCode === 0 ? undefined : (stderr.trim().split("\n").at(-1) ?? "it cannot import them")
}, Effect.provide(NodeServices.layer))

/**
 * The path of a Python that has the modules: the one that `FLYTE_DATABRICKS_PYTHON` names, else the repository's
 * `.venv`. Without one it says so on the console and gives nothing; with `CI=true` it fails.
 */
export const find = Effect.fnUntraced(function* (...modules: ReadonlyArray<string>) {
  const { ci, python } = yield* settings
  const problem = yield* check(python, modules)
  if (problem === undefined) return Option.some(python)
  const missing = new PythonMissing({ python, modules, problem })
  if (ci) return yield* missing
  yield* Console.warn(`SKIPPED: ${missing.message}`)
  return Option.none<string>()
})
