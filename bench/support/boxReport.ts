/**
 * What a run of `bench -- connector --box` found, as Markdown.
 */
import type { Throughput } from "./client.ts"
import { floor, flytes } from "./connectors.ts"
import { type Goal, goalRows, machine, next, rows } from "./report.ts"

export interface BoxFigures {
  /** From the process's start, in milliseconds. */
  readonly serving: number
  readonly firstCreate: number
  /** MB. */
  readonly rest: number
  /** By operation and callers. */
  readonly calls: Readonly<Record<string, Throughput>>
  readonly steady: Readonly<Record<string, Throughput>>
  readonly rssMax: number
  readonly memoryMax: number
  readonly kills: number
}

export interface BoxRun {
  readonly answersAfter: number
  readonly seconds: number
  readonly steadySeconds: number
  readonly rates: Readonly<Record<string, number>>
  readonly identities: number
}

export const boxReport = (figures: ReadonlyMap<string, BoxFigures>, run: BoxRun): string => {
  const all = [...figures]
  const operations = Object.keys(all[0]?.[1].calls ?? {})
  const { answersAfter, identities, rates, seconds, steadySeconds } = run
  return `# The connector in Flyte's box

\`npm run bench -- connector --box\` wrote this file. ${machine()}

Each connector runs alone in a control group of 300 MiB and half a core, the load and the workspace outside of it; the workspace
answers after ${answersAfter} ms. This connector runs as its bundle with the image's flags and compile cache, in mode M2M without
Kubernetes. The floor is a bare @grpc/grpc-js server that asks the workspace by undici and reads, decides and logs nothing.

${rows([
  [
    "",
    "start to SERVING, ms",
    "to the first create answered, ms",
    "RSS at rest, MB",
    "RSS, the most, MB",
    "group, the most, MB",
    "kills"
  ],
  ...all.map(([name, { firstCreate, kills, memoryMax, rest, rssMax, serving }]) => [
    name,
    ...[serving, firstCreate, rest, rssMax, memoryMax, kills].map((value) => value.toFixed(0))
  ])
])}

## Steady

${Object.entries(rates)
  .map(([operation, perSecond]) => `${perSecond} ${operation}`)
  .join(
    " and "
  )} a second for ${steadySeconds} s, from the start on: nothing is warm. This connector's polls are of ${identities}
runs, every other one with a PAT of its own. A latency counts from when the call was due.

${rows([
  ["operation", "", "calls", "failed", "p50 ms", "p99 ms", "p99.9 ms"],
  ...Object.keys(rates).flatMap((operation) =>
    all.map(([name, its]) => {
      const { calls, failed, p50, p99, p999 } = its.steady[operation]!
      return [operation, name, String(calls), String(failed), ...[p50, p99, p999].map((value) => value.toFixed(0))]
    })
  )
])}

## Callers who do not wait

${rows([
  ["operation", "callers", "", "calls/s", "failed", "p50 ms", "p99 ms", "p99.9 ms"],
  ...operations.flatMap((operation) =>
    all.map(([name, its]) => {
      const { calls, callsPerSecond, failed, p50, p99, p999 } = its.calls[operation]!
      const values = [p50, p99, p999].map((value) => value.toFixed(0))
      return [...operation.split(" "), name, callsPerSecond.toFixed(0), `${failed} of ${calls}`, ...values]
    })
  )
])}

Each phase lasts ${seconds} s after half a second of warm-up. 32 callers of a workspace that answers after ${answersAfter} ms can
be answered ${(32_000 / answersAfter).toFixed(0)} times a second at most.

## Goals

${goals(figures, run)}
`
}

const goals = (figures: ReadonlyMap<string, BoxFigures>, { answersAfter }: BoxRun): string => {
  const [ours] = [...figures.values()]
  const peer = figures.get(flytes.name)
  const bare = figures.get(floor.name)
  if (ours === undefined) return ""
  /** Ours, and the floor's beside it. */
  const both = (of: (its: BoxFigures) => number) => ({ is: of(ours), floor: bare && of(bare) })
  const beside = (peers: BoxFigures, operation: string): ReadonlyArray<Goal> =>
    [32, 1000].flatMap((callers): ReadonlyArray<Goal> => {
      const point = `${operation} ${callers}`
      const of = (its: BoxFigures) => its.calls[point]!
      const name = `${operation} ${callers.toLocaleString("en")} callers`
      const throughput: Goal = {
        what: `throughput of Python's, ${name}, ×`,
        ...both((its) => of(its).callsPerSecond / of(peers).callsPerSecond),
        should: "at least",
        be: 4,
        next: next.box
      }
      const other: Goal =
        callers === 32
          ? {
              what: `p99 of Python's, ${name}, ×`,
              ...both((its) => of(its).p99 / of(peers).p99),
              should: "at most",
              be: 0.5,
              next: next.latency
            }
          : {
              what: `failures more than Python's, ${name}`,
              ...both((its) => of(its).failed - of(peers).failed),
              should: "at most",
              be: 0,
              next: next.latency
            }
      return [throughput, other]
    })
  const operations = ["CreateTask", "GetTask"]
  return goalRows([
    ...(peer === undefined ? [] : operations.flatMap((operation) => beside(peer, operation))),
    {
      what: "first create answered after the start, ms",
      ...both(({ firstCreate }) => firstCreate),
      should: "at most",
      be: 1000,
      next: next.start
    },
    { what: "RSS at rest, MB", ...both(({ rest }) => rest), should: "at most", be: 90, next: next.memory },
    { what: "RSS after any load, MB", ...both(({ rssMax }) => rssMax), should: "at most", be: 160, next: next.memory },
    ...operations.map((operation): Goal => ({
      what: `p99 of the steady ${operation}, ms`,
      ...both(({ steady }) => steady[operation]!.p99),
      should: "at most",
      be: 3 * answersAfter,
      next: next.latency
    }))
  ])
}
