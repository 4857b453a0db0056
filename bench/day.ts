/**
 * A simulated day, written to `reports/day.md` and `reports/day.svg`. `BENCH_SEED` chooses another one.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { model, policies } from "./day/peers.ts"
import { plot, type Series } from "./day/plot.ts"
import { judge, report } from "./day/report.ts"
import { simulate } from "./day/simulate.ts"
import type { Day } from "./day/workload.ts"

const hour = 3600
const day: Day = {
  identities: 10_000,
  seconds: 24 * hour,
  rampUp: hour,
  outage: { from: 12 * hour, to: 12.25 * hour },
  restart: 18 * hour
}
const shortDay: Day = {
  ...day,
  seconds: 8 * hour,
  outage: { from: 4 * hour, to: 4.25 * hour },
  restart: undefined
}

export const benchDay = async (): Promise<void> => {
  const seed = process.env["BENCH_SEED"] ?? "2026"
  const timed = async <A>(what: string, effect: Effect.Effect<A>): Promise<A> => {
    const start = performance.now()
    const result = await Effect.runPromise(effect)
    console.log(`${what}: ${((performance.now() - start) / 1000).toFixed(0)} s`)
    return result
  }
  console.log(`\nA simulated day of ${day.identities} identities, seed ${seed}; takes some minutes`)
  const refusing = await timed("24 hours, endpoint answers 503", simulate(day, "answers 503", seed))
  const hanging = await timed("8 hours, endpoint hangs", simulate(shortDay, "hangs", seed))
  const peers: Record<string, Effect.Success<ReturnType<typeof model>>> = {}
  for (const policy of policies) peers[policy.name] = await timed(policy.name, model(policy, day, seed))

  const { largest, mean, ranOut, withGoodToken } = judge(day, refusing.tally)
  const [sdk, , flyte] = policies.map(({ name }) => ({ name, requests: peers[name]!.requests }))
  const series: ReadonlyArray<Series> = [
    { ...flyte!, className: "flyte" },
    { ...sdk!, className: "sdk" },
    { name: "this project", className: "own", requests: refusing.tally.requests }
  ]
  const panel = { outage: day.outage, limit: 3 * mean }
  const svg = plot(
    [
      {
        ...panel,
        title: "Requests per second at the token endpoint, the most in two minutes",
        from: 0,
        to: day.seconds,
        bin: 120,
        tickEvery: 2 * hour,
        most: 20_000
      },
      {
        ...panel,
        title: "Outage and recovery, the most in ten seconds",
        from: day.outage.from - 600,
        to: day.outage.to + 3000,
        bin: 10,
        tickEvery: 600,
        most: 300
      }
    ],
    series,
    "3 × the mean"
  )
  const folder = join(import.meta.dirname, "reports")
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "day.svg"), svg)
  writeFileSync(join(folder, "day.md"), report({ seed, day, refusing, shortDay, hanging, peers }))
  console.log(
    `\n${(largest / mean).toFixed(1)} times the mean in the worst second (${largest}, ${mean.toFixed(2)}); ` +
      `${withGoodToken} calls waited or failed with a good token, ${ranOut} because it ran out. See ${folder}.`
  )
}
