/** helm, as `npm run setup:deploy` builds it, and what charts render. */
import { Config, Console, Effect, FileSystem } from "effect"
import { fileURLToPath } from "node:url"
import { parseAllDocuments } from "yaml"
import type { Manifest } from "../../kubernetes/support/manifests.ts"
import { CommandFailed, run } from "../../support/commands.ts"

export const root = fileURLToPath(new URL("../../../../..", import.meta.url))
const bin = `${root}.deploy/bin`

/** One of Flyte's charts: the folder that a variable names, or else a stand-in of it. */
const ofFlyte = (variable: string, standin: string) =>
  Effect.runSync(
    Config.String(variable).pipe(Config.withDefault(fileURLToPath(new URL(`../standins/${standin}`, import.meta.url))))
  )

/** The charts, by their folders. */
export const charts = {
  own: `${root}deploy/helm/flyte-databricks-connector`,
  flyte1: ofFlyte("FLYTE1_CHART", "flyte1"),
  flyte2: ofFlyte("FLYTE2_CHART", "flyte2")
}

/** Values files of deploy/helm, as arguments. */
export const valuesFiles = (...names: ReadonlyArray<string>) =>
  names.flatMap((name) => ["--values", `${root}deploy/helm/${name}`])

/** Whether the tools are there, for tests that are skipped without them, aloud; with `CI=true` it fails. */
export const isAvailable = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const tools = ["helm", "helm-docs", "helm-unittest", "kubeconform", "promtool", "monitoring"]
  const missing = yield* Effect.filter(tools, (tool) => Effect.map(files.exists(`${bin}/${tool}`), (there) => !there))
  if (missing.length === 0) return true
  const problem = `there is no ${missing.join(", ")} in ${bin}. Run npm run setup:deploy.`
  if (yield* Config.Boolean("CI").pipe(Config.withDefault(false)))
    return yield* new CommandFailed({ command: "helm", said: problem })
  yield* Console.warn(`SKIPPED: ${problem}`)
  return false
})

/** Runs helm; the answer is what it printed. */
export const helm = (args: ReadonlyArray<string>, env?: Readonly<Record<string, string>>) =>
  run(`${bin}/helm`, args, env)

export const helmDocs = (args: ReadonlyArray<string>) => run(`${bin}/helm-docs`, args)

/** Runs the tests that a chart has beside it. */
export const unitTests = (chart: string) => run(`${bin}/helm-unittest`, [chart])

export const promtool = (...args: ReadonlyArray<string>) => run(`${bin}/promtool`, args)

/** Holds manifests against the schemas of that location. */
export const kubeconform = (location: string, files: ReadonlyArray<string>) =>
  run(`${bin}/kubeconform`, ["-strict", "-summary", "-schema-location", location, ...files])

/** Reads objects of the Prometheus operator; the answer is their names. */
export const monitoring = (yaml: string) => run("bash", ["-c", `"${bin}/monitoring" <<<"$OBJECTS"`], { OBJECTS: yaml })

/** The objects that a chart renders. */
export const render = (
  chart: string,
  args: ReadonlyArray<string>,
  { env = {}, namespace = "flyte", release = "flyteconnector" } = {}
) =>
  Effect.map(helm(["template", release, chart, "--namespace", namespace, ...args], env), (text) =>
    parseAllDocuments(text).flatMap((document): ReadonlyArray<Manifest> => document.toJS() ?? [])
  )
