/**
 * Benchmarks, each beside its peers in one run: `npm run bench -- auth day`, or all of them. `connector --box` measures it in
 * Flyte's box, where `--steady SECONDS` says how long the steady run is.
 */
import { parseArgs } from "node:util"
import { benchAuth } from "./auth.ts"
import { benchClient } from "./client.ts"
import { benchBox } from "./box.ts"
import { benchConnector } from "./connector.ts"
import { benchDay } from "./day.ts"
import { benchOutage } from "./outage.ts"
import { benchTelemetry } from "./telemetry.ts"

const { positionals: chosen, values } = parseArgs({
  allowPositionals: true,
  options: { box: { type: "boolean" }, steady: { type: "string" } }
})

const benchmarks: Record<string, () => Promise<void>> = {
  auth: benchAuth,
  client: benchClient,
  connector: () =>
    values.box ? benchBox(values.steady ? { steadySeconds: Number(values.steady) } : {}) : benchConnector(),
  day: benchDay,
  outage: benchOutage,
  telemetry: benchTelemetry
}

const unknown = chosen.filter((name) => !(name in benchmarks))
if (unknown.length > 0) {
  console.error(`No benchmark ${unknown.join(", ")}. There are: ${Object.keys(benchmarks).join(", ")}.`)
  process.exit(2)
}
for (const name of chosen.length === 0 ? Object.keys(benchmarks) : chosen) await benchmarks[name]?.()
