/**
 * What a run of `bench -- connector` found, as Markdown.
 */
import { readFileSync } from "node:fs"
import { availableParallelism, cpus, loadavg } from "node:os"
import { join } from "node:path"
import { execFileSync } from "node:child_process"
import type { Throughput } from "./client.ts"
import { floor, flytes, hasPython, python, root } from "./connectors.ts"
import { median } from "./measure.ts"
import type { Profiled } from "./profile.ts"

/** A round's calls, and the CPU time that the connector spent on each. */
interface Calls extends Throughput {
  readonly cpuMs: number
}

/** What was measured of one connector, a value per round. */
export interface Figures {
  /** Milliseconds. */
  readonly start: Array<number>
  readonly startCpu: Array<number>
  /** MB. */
  readonly idle: Array<number>
  readonly loaded: Array<number>
  /** By operation and callers, as in "GetTask 32". */
  readonly calls: Record<string, Array<Calls>>
}

export interface Run {
  readonly figures: ReadonlyMap<string, Figures>
  readonly profile: Readonly<Record<string, Profiled>>
  readonly rounds: number
  readonly starts: number
  readonly seconds: number
}

export const rows = (cells: ReadonlyArray<ReadonlyArray<string>>): string =>
  [cells[0]!, cells[0]!.map(() => "---"), ...cells.slice(1)].map((row) => `| ${row.join(" | ")} |`).join("\n")

export const report = ({ figures, profile, rounds, starts, seconds }: Run): string => {
  const all = [...figures]
  const operations = Object.keys(all[0]?.[1].calls ?? {})
  const bare = figures.get(floor.name)
  const of = (operation: string, value: keyof Calls, { calls }: Figures) =>
    median((calls[operation] ?? []).map((result) => result[value]))
  return `# Calls through the connector

\`npm run bench -- connector\` wrote this file. ${machine()}

The load, the workspace (HTTPS, the same constant answers for all) and the connectors are processes that share these
cores. This connector runs as its bundle with the image's flags and compile cache, logs as JSON to nowhere, in mode M2M without Kubernetes. The floor
is a bare @grpc/grpc-js server that asks the workspace by undici and reads, decides and logs nothing. All are warm; each row is the
median of ${rounds} rounds of ${seconds} s, the connectors in turns and in turned order. CPU time per call depends least on what else
the machine does, and its ratios least of all.

${rows([
  ["operation", "callers", "", "calls/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU ms/call", "× floor"],
  ...operations.flatMap((operation) =>
    all.map(([name, its]) => [
      ...operation.split(" "),
      name,
      of(operation, "callsPerSecond", its).toFixed(0),
      of(operation, "p50", its).toFixed(1),
      of(operation, "p99", its).toFixed(1),
      of(operation, "p999", its).toFixed(1),
      of(operation, "cpuMs", its).toFixed(2),
      bare === undefined ? "" : (of(operation, "cpuMs", its) / of(operation, "cpuMs", bare)).toFixed(1)
    ])
  )
])}

${rows([
  ["", `start to SERVING, ms (median of ${starts})`, "CPU ms of that", "memory at rest, MB", "the most, MB"],
  ...all.map(([name, { start, startCpu, idle, loaded }]) => [
    name,
    median(start).toFixed(0),
    median(startCpu).toFixed(0),
    median(idle).toFixed(0),
    median(loaded).toFixed(0)
  ])
])}

## Goals

${goals(figures, of)}

## Where the time goes

Shares of the CPU time of this connector's sources under 32 callers, warm, by the package whose code was running (self time,
sampled).

${Object.entries(profile)
  .map(([operation, { owners }]) =>
    rows([
      [operation, "share"],
      ...owners.filter(([, share]) => share >= 0.01).map(([owner, share]) => [owner, `${(share * 100).toFixed(0)} %`])
    ])
  )
  .join("\n\n")}

The functions of this project that take most, by themselves. ${largest(profile)}

${Object.entries(profile)
  .map(([operation, { functions }]) =>
    rows([
      [operation, "share"],
      ...functions.slice(0, 12).map(([name, share]) => [name, `${(share * 100).toFixed(1)} %`])
    ])
  )
  .join("\n\n")}
`
}

const explained = 0.05

const largest = (profile: Run["profile"]): string => {
  const over = Object.values(profile).flatMap(({ functions }) => functions.filter(([, share]) => share > explained))
  return over.length === 0 ? "None takes more than 5 %." : `More than 5 %: ${over.map(([name]) => name).join("; ")}.`
}

/** A goal: what was measured, and what it should be. */
export interface Goal {
  readonly what: string
  readonly is: number
  readonly should: "at most" | "at least"
  readonly be: number
  /** What the floor has, where it is there. */
  readonly floor?: number | undefined
  /** Where it is missed: the next step towards it, and what that would cost. */
  readonly next: string
}

const isMet = ({ is, should, be }: Goal): boolean => (should === "at most" ? is <= be : is >= be)

const shown = (figure: number): string => figure.toFixed(figure < 100 ? 1 : 0)

/** The goals, and what comes next for those that are missed. */
export const goalRows = (goals: ReadonlyArray<Goal>): string => {
  const missed = goals.filter((goal) => !isMet(goal))
  const table = rows([
    ["", "is", "goal", "", "the floor has"],
    ...goals.map((goal) => [
      goal.what,
      shown(goal.is),
      `${goal.should === "at most" ? "≤" : "≥"} ${goal.be}`,
      isMet(goal) ? "met" : "missed",
      goal.floor === undefined ? "" : shown(goal.floor)
    ])
  ])
  return missed.length === 0
    ? table
    : `${table}\n\nWhat is missed, the next step towards it, and what that would cost:\n\n${[
        ...new Set(missed.map(({ next }) => next))
      ]
        .map((next) => `- ${next}`)
        .join("\n")}`
}

/** The next steps, by what they are for. */
export const next = {
  cpu:
    "**CPU a call.** No function of ours stands out: Effect's run loop has some 200 steps in five fibers for a create, and 110 in four for " +
    "a poll; all of Effect is a quarter of the time, and the rest is spread over all of the way. V8's optimizing compiler gains nothing here, " +
    "so that what counts is how much code there is and how much garbage. Next, and all that there is of large pieces: a server for unary calls " +
    "on `node:http2` in place of grpc-js, which has one part in thirty of the time, and would cost the proof of all that gRPC's server " +
    "does. HTTP/2 to the workspace was looked at and left: undici's freezes the process where a request is given up before it is sent, takes " +
    "answers that were cut off for whole ones, and saved nothing that could be told from noise.",
  box:
    "**Throughput in half a core.** Half a core is 500 ms of processor time a second; the last column says what grpc-js and undici " +
    "alone make of it, and where that is missed too, the goal is more than callers who wait for the workspace can ask for. A call costs here " +
    "what it costs in connector.md, a quarter of it again for V8's compiler and collector beside it, and more among 1,000, each of whom holds " +
    "20 KB while he waits. The next step is that of CPU a call.",
  start:
    "**Start.** The floor, which loads grpc-js and undici and nothing else, is over the goal by itself (connector.md). Next: a " +
    "start-up snapshot of V8 in the image. It costs a build for each platform, a bundle without top-level `await`, and whatever " +
    "opened a handle before it was taken.",
  memory:
    "**Memory.** At rest nine tenths are the floor's: Node.js, grpc-js and undici; half of it is the file of Node.js. After a load it is " +
    "what calls hold that wait, and what a burst leaves in the heap until V8 collects it. Next: to collect sooner. It costs throughput: " +
    "without `--heap-growing-percent=100` a fifth of what 1,000 callers are answered. Where no limit of a container is found, it is a heap " +
    "limit in absolute figures (`--max-old-space-size=96`), which costs a number that somebody has to fit to ten thousand identities.",
  latency:
    "**Latency in half a core.** The quota is used up in bursts, and who comes then waits for the next period of 100 ms. The next " +
    "step is that of CPU a call; there is none beside it."
} as const

const goals = (figures: Run["figures"], of: (operation: string, value: keyof Calls, its: Figures) => number) => {
  const [ours] = [...figures.values()]
  const peer = figures.get(flytes.name)
  const bare = figures.get(floor.name)
  if (ours === undefined) return ""
  const cpu = (operation: string, its: Figures) => of(operation, "cpuMs", its)
  const operations = ["CreateTask 32", "GetTask 32"]
  return goalRows([
    ...operations.flatMap((operation): ReadonlyArray<Goal> => {
      const own = cpu(operation, ours)
      return [
        ...(bare === undefined
          ? []
          : [
              {
                what: `CPU a call, ${operation} callers, × floor`,
                is: own / cpu(operation, bare),
                should: "at most",
                be: 2,
                next: next.cpu
              } as const
            ]),
        ...(peer === undefined
          ? []
          : [
              {
                what: `CPU a call of Python's ÷ ours, ${operation} callers`,
                is: cpu(operation, peer) / own,
                floor: bare && cpu(operation, peer) / cpu(operation, bare),
                should: "at least",
                be: 10,
                next: next.cpu
              } as const
            ])
      ]
    }),
    {
      what: "CPU time to SERVING, ms",
      is: median(ours.startCpu),
      floor: bare && median(bare.startCpu),
      should: "at most",
      be: 150,
      next: next.start
    },
    {
      what: "memory at rest, MB",
      is: median(ours.idle),
      floor: bare && median(bare.idle),
      should: "at most",
      be: 90,
      next: next.memory
    },
    {
      what: "the most memory without a limit, MB",
      is: median(ours.loaded),
      floor: bare && median(bare.loaded),
      should: "at most",
      be: 200,
      next: next.memory
    }
  ])
}

const manifest: { readonly dependencies: Readonly<Record<"effect", string>> } = JSON.parse(
  readFileSync(join(root, "apps/connector/package.json"), "utf8")
)

export const machine = (): string => {
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
