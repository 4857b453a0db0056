/**
 * What a run of `bench -- connector` found, as Markdown.
 */
import { readFileSync } from "node:fs"
import { availableParallelism, cpus, loadavg } from "node:os"
import { join } from "node:path"
import { execFileSync } from "node:child_process"
import type { Throughput } from "./client.ts"
import { flytes, hasPython, python, root } from "./connectors.ts"
import { median } from "./measure.ts"
import type { Shares } from "./profile.ts"

/** A round's calls, and the CPU time that the connector spent on each. */
interface Calls extends Throughput {
  readonly cpuMs: number
}

/** What was measured of one connector, a value per round. */
export interface Figures {
  /** Milliseconds. */
  readonly start: Array<number>
  /** MB. */
  readonly idle: Array<number>
  readonly loaded: Array<number>
  /** By operation and callers, as in "GetTask 32". */
  readonly calls: Record<string, Array<Calls>>
}

export interface Run {
  readonly figures: ReadonlyMap<string, Figures>
  readonly profile: Readonly<Record<string, Shares>>
  readonly rounds: number
  readonly starts: number
  readonly seconds: number
}

const rows = (cells: ReadonlyArray<ReadonlyArray<string>>): string =>
  [cells[0]!, cells[0]!.map(() => "---"), ...cells.slice(1)].map((row) => `| ${row.join(" | ")} |`).join("\n")

export const report = ({ figures, profile, rounds, starts, seconds }: Run): string => {
  const all = [...figures]
  const operations = Object.keys(all[0]?.[1].calls ?? {})
  const of = (operation: string, value: keyof Calls, { calls }: Figures) =>
    median((calls[operation] ?? []).map((result) => result[value]))
  return `# Calls through the connector

\`npm run bench -- connector\` wrote this file. ${machine()}

The load, the workspace (HTTPS, the same constant answers for all) and the connectors are processes that share these
cores. This connector runs as its bundle, logs as JSON to nowhere, in mode M2M without Kubernetes. Each row is the median of
${rounds} rounds of ${seconds} s after half a second of warm-up, the connectors in turns and in turned order. CPU time per call depends
least on what else the machine does.

${rows([
  ["operation", "callers", "", "calls/s", "p50 ms", "p99 ms", "CPU ms/call"],
  ...operations.flatMap((operation) =>
    all.map(([name, its]) => [
      ...operation.split(" "),
      name,
      of(operation, "callsPerSecond", its).toFixed(0),
      of(operation, "p50", its).toFixed(1),
      of(operation, "p99", its).toFixed(1),
      of(operation, "cpuMs", its).toFixed(2)
    ])
  )
])}

${rows([
  ["", `start to SERVING, ms (median of ${starts})`, "memory at rest, MB", "after the load, MB"],
  ...all.map(([name, { start, idle, loaded }]) => [
    name,
    median(start).toFixed(0),
    median(idle).toFixed(0),
    median(loaded).toFixed(0)
  ])
])}

## Goals

${goals(figures, of)}

## Where the time goes

Shares of the CPU time of this connector's sources under 32 callers, once its modules are loaded, by the package whose code
was running (self time, sampled).

${Object.entries(profile)
  .map(([operation, shares]) =>
    rows([
      [operation, "share"],
      ...shares.filter(([, share]) => share >= 0.01).map(([owner, share]) => [owner, `${(share * 100).toFixed(0)} %`])
    ])
  )
  .join("\n\n")}
`
}

const goals = (figures: Run["figures"], of: (operation: string, value: keyof Calls, its: Figures) => number) => {
  const peer = figures.get(flytes.name)
  const ours = [...figures.values()][0]
  if (peer === undefined || ours === undefined)
    return "Flyte's Python connector did not run, so there is nothing to compare with."
  // How many times better than the peer, and how many times that should be.
  const lines: ReadonlyArray<readonly [string, number, number]> = [
    ...["CreateTask 32", "GetTask 32"].flatMap(
      (operation) =>
        [
          [
            `throughput, ${operation} callers`,
            of(operation, "callsPerSecond", ours) / of(operation, "callsPerSecond", peer),
            12
          ],
          [`p99, ${operation} callers`, of(operation, "p99", peer) / of(operation, "p99", ours), 8]
        ] as const
    ),
    ["start to SERVING", median(peer.start) / median(ours.start), 5],
    ["memory at rest", median(peer.idle) / median(ours.idle), 2],
    ["memory after the load", median(peer.loaded) / median(ours.loaded), 2]
  ]
  return rows([
    ["", "times better than Flyte's Python connector", "goal", ""],
    ...lines.map(([what, times, goal]) => [what, times.toFixed(1), String(goal), times >= goal ? "met" : "missed"])
  ])
}

const manifest: { readonly dependencies: Readonly<Record<"effect", string>> } = JSON.parse(
  readFileSync(join(root, "apps/connector/package.json"), "utf8")
)

const machine = (): string => {
  const load = loadavg()[0]!.toFixed(1)
  return (
    `${availableParallelism()} cores (${cpus()[0]?.model}), load average ${load} at the end; Node ${process.version}, ` +
    `effect ${manifest.dependencies.effect}${hasPython ? `; ${pythonVersions()}` : ""}.`
  )
}

const pythonVersions = (): string =>
  execFileSync(
    python,
    [
      "-c",
      "import sys; from importlib.metadata import version; print('Python', sys.version.split()[0], " +
        "*(f', {p} {version(p)}' for p in ('flytekit', 'flytekitplugins-spark', 'grpcio')), sep=' ')"
    ],
    { encoding: "utf8" }
  )
    .trim()
    .replaceAll(" ,", ",")
