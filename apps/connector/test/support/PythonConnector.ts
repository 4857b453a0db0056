/** Flyte's own connector, in Python, as a process of its own: the other side of every switch to this one or back. */
import * as Python from "@flyte-databricks/emulators/testing/Python"
import { Config, Console, Effect, Option, Schema, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const support = fileURLToPath(new URL(".", import.meta.url))

/** The version that `tools/python/requirements.txt` installs; `tools/python/connectors.sh` installs the others. */
export const current = "1.16.31"

const folderOf = (python: string, version: string) => join(dirname(dirname(python)), "connectors", version)

/** What has to be on Python's path for a version, the tests' own programs included. */
const pathOf = (python: string, version: string) =>
  version === current ? support : `${folderOf(python, version)}:${support}`

/** How a program of the tests is started beside a version. */
export const environment = (python: string, version: string) => ({
  PYTHONPATH: pathOf(python, version),
  PYTHONDONTWRITEBYTECODE: "1"
})

/** The older versions that a test needs are not installed, and in CI that is a failure. */
class ConnectorsMissing extends Schema.TaggedError<ConnectorsMissing>()("ConnectorsMissing", {
  folders: Schema.Array(Schema.String)
}) {
  override get message() {
    return `Flyte's own connector in older versions is missing: ${this.folders.join(", ")}. Run \`npm run setup:python\``
  }
}

/** A Python that has these versions; where there is none, as `Python.find`. */
export const find = Effect.fnUntraced(function* (
  versions: ReadonlyArray<string> = [current]
): Effect.fn.Return<Option.Option<string>, unknown> {
  const python = yield* Python.find("grpc", "kubernetes", "flytekitplugins.spark.connector")
  if (Option.isNone(python)) return python
  const folders = versions.filter((version) => version !== current).map((version) => folderOf(python.value, version))
  const missing = folders.filter((folder) => !existsSync(folder))
  if (missing.length === 0) return python
  const error = new ConnectorsMissing({ folders: missing })
  if (yield* Config.Boolean("CI").pipe(Config.withDefault(false))) return yield* error
  yield* Console.warn(`SKIPPED: ${error.message}`)
  return Option.none<string>()
})

/** Starts it, waits until it listens, and gives its port; `python_connector2` is Flyte 2's. */
export const serve = Effect.fnUntraced(function* (
  python: string,
  env: Readonly<Record<string, string>>,
  version = current,
  module: "python_connector" | "python_connector2" = "python_connector"
) {
  const handle = yield* ChildProcess.make(python, ["-c", `import ${module}`], {
    env: { ...environment(python, version), ...env },
    extendEnv: true,
    stderr: "inherit",
    forceKillAfter: "10 seconds"
  })
  const port = yield* handle.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runHead,
    Effect.flatMap(Effect.fromOption)
  )
  return Number(port)
})
