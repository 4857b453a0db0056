/** The documentation, as tests read it: README.md, docs/, and the READMEs and manifests of deploy/ and examples/. */
import { assert } from "@effect/vitest"
import {
  TaskSettings,
  ConnectorSecrets,
  ConnectorSettings,
  DatabricksAuth,
  Kubernetes
} from "@flyte-databricks/databricks-auth"
import { JobsClient } from "@flyte-databricks/databricks-jobs"
import { NodeServices } from "@effect/platform-node"
import { Config, ConfigProvider, Duration, Effect, FileSystem, Layer, Option, Path } from "effect"
import { Command } from "effect/cli"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Serve from "../../src/cli/Serve.ts"
import * as DatabricksConnector from "../../src/DatabricksConnector.ts"
import * as DatabricksHttp from "@flyte-databricks/databricks-http/DatabricksHttp"
import type * as Server from "../../src/grpc/Server.ts"
import { PodAddresses } from "@flyte-databricks/kubernetes"
import * as AsyncConnector from "../../src/flyte2/AsyncConnector.ts"
import * as Audit from "../../src/audit/Audit.ts"
import * as Door from "../../src/grpc/Door.ts"
import * as MetadataKey from "../../src/runs/MetadataKey.ts"
import * as Settings from "../../src/Settings.ts"
import * as Statusz from "../../src/telemetry/Statusz.ts"
import * as Logging from "../../src/telemetry/Logging.ts"
import * as OtelSettings from "../../src/telemetry/OtelSettings.ts"
import * as Telemetry from "../../src/telemetry/Telemetry.ts"

export const root = fileURLToPath(new URL("../../../..", import.meta.url))
export const files = (pattern: string) => globSync(pattern, { cwd: root }).toSorted()
export const read = (file: string) => readFileSync(join(root, file), "utf8")

/** What users read. */
export const pages = ["README.md", ...files("docs/*.md")]
// What a chart renders from is no document.
export const others = files("{deploy,examples}/**/*.{md,yaml,json,py}").filter((file) => !file.includes("/templates/"))
export const sources = files("{packages,apps}/*/src/**/*.ts").map(read).join("\n")

/** All of a page, or one of its sections, on one line. */
export const prose = (file: string, title?: string) =>
  (title === undefined ? read(file) : section(file, title)).replaceAll(/\s+/g, " ")

export const section = (file: string, title: string) =>
  read(file).split(`\n## ${title}\n`)[1]?.split("\n## ")[0] ?? assert.fail(`no section ${title}`)

/** The rows of the tables in a text, without their heads. */
export const rows = (text: string) =>
  [...text.matchAll(/^\|(.*)\|$/gm)]
    .map(([, row = ""]) => row.split("|").map((cell) => cell.trim()))
    .filter((_, index, all) => !isRule(all[index]) && !isRule(all[index + 1]))
const isRule = (cells: ReadonlyArray<string> | undefined) => cells?.every((cell) => /^-+$/.test(cell)) ?? false

export const spans = (cell: string | undefined) => [...(cell ?? "").matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span)

/** Blocks of code in a language. */
export const fences = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\n(.*?)^ *\`\`\`$`, "gms"))].map(([, indent = "", code = ""]) =>
    code.replaceAll(new RegExp(`^${indent}`, "gm"), "")
  )

export const unique = (names: Iterable<string>) => [...new Set(names)].toSorted()
export const matches = (text: string, pattern: RegExp) =>
  unique([...text.matchAll(pattern)].map((match) => match[1] ?? match[0]))

/** A machine on which nothing is configured; it remembers what it was asked for. */
const bare = <A, E, R>(use: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const asked = new Set<string>()
    const opened: Array<string> = []
    const environment = ConfigProvider.make((path) => Effect.sync(() => void asked.add(path.join("_"))))
    const disk = FileSystem.layerNoop({ readFileString: (file) => Effect.sync(() => (opened.push(file), "")) })
    const value = yield* use.pipe(Effect.provide(Layer.mergeAll(disk, Path.layer, ConfigProvider.layer(environment))))
    return { value, asked: unique(asked), opened }
  })

/** The connector's flags, as its command reads them. */
const flags = Effect.gen(function* () {
  let parsed = Option.none<Server.Options & { readonly prometheusPort: number }>()
  const command = Command.withHandler(Serve.command, (given) =>
    Effect.map(Config.all(given), (options) => void (parsed = Option.some(options)))
  )
  yield* Command.runWith(command, { version: "0" })([])
  return yield* Effect.fromOption(parsed)
}).pipe(Effect.provide(NodeServices.layer))

const nobody = { namespace: "team-a", settings: { instance: "dbc-a1b2.cloud.databricks.com" } }

/** Starts everything that reads settings, and looks for an identity at every place. */
export const everything = Effect.gen(function* () {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const { reason } = yield* Effect.flip(auth.resolve(nobody))
  yield* DatabricksConnector.DatabricksConnector
  yield* Effect.scoped(Door.make(PodAddresses.layerNone))
  yield* AsyncConnector.make
  return {
    reason,
    flags: yield* flags,
    taskTypes: yield* Settings.taskTypes,
    logLevel: yield* Logging.level,
    statusz: yield* Effect.flatMap(ConnectorSecrets.ConnectorSecrets, Statusz.token),
    auditRequired: yield* Settings.auditRequired,
    createPatience: yield* Settings.createPatience,
    pollPatience: yield* Settings.pollPatience,
    maxConcurrentRequests: yield* Settings.maxConcurrentRequests,
    submitsPerSecond: yield* Settings.submitsPerSecond,
    getsPerSecond: yield* Settings.getsPerSecond,
    metadataSignatures: yield* Settings.metadataSignatures,
    otel: yield* OtelSettings.read,
    settings: yield* ConnectorSettings.fromConfig
  }
}).pipe(
  Effect.provide(
    DatabricksConnector.layer.pipe(
      Layer.provide([Layer.mock(JobsClient.JobsClient, {}), MetadataKey.layerConfig, Audit.layerConfig]),
      Layer.provideMerge(DatabricksAuth.layerConfig),
      Layer.provide([Kubernetes.layerMemory(), DatabricksHttp.layer]),
      Layer.merge(Logging.layer),
      Layer.merge(Telemetry.layer),
      Layer.merge(ConnectorSecrets.layer)
    )
  ),
  bare
)

/** What is asked of a machine for a secret of the connector. */
export const secretLookUp = bare(
  ConnectorSecrets.ConnectorSecrets.use((secrets) => secrets.find("NAME")).pipe(Effect.provide(ConnectorSecrets.layer))
)

/** The keys of a task's `custom` that are looked at for who it is. */
export const taskKeys = Effect.gen(function* () {
  const asked = new Set<string>()
  const custom = new Proxy({}, { getOwnPropertyDescriptor: (_, key) => void asked.add(String(key)) })
  yield* TaskSettings.fromCustom(custom)
  // For a request's own PAT, which has a page to itself.
  asked.delete("secrets")
  return asked
})

const durationOf = (input: unknown): Duration.Duration =>
  Duration.isDuration(input) ? input : Duration.fromInputUnsafe(input as Duration.Input)
const units = [
  [3600, "hour"],
  [60, "minute"]
] as const
/** A duration as people write it. */
export const spoken = (input: unknown): string => {
  const seconds = Duration.toSeconds(durationOf(input))
  const [size, unit] = units.find(([size]) => seconds % size === 0) ?? [1, "second"]
  const count = seconds / size
  return `${count} ${unit}${count === 1 ? "" : "s"}`
}

/** Where links into a page may lead: its headings, as GitHub makes anchors of them, and anchors that it names itself. */
export const anchorsOf = (text: string): ReadonlySet<string> =>
  new Set([
    ...[...text.replaceAll(/^```.*?^```$/gms, "").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => slug(heading)),
    ...namedAnchors(text)
  ])
export const namedAnchors = (text: string) => [...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = ""]) => id)
const slug = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, "")
    .replaceAll(" ", "-")
