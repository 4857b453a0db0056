/**
 * The client beside Databricks' SDK for JavaScript: what they do when something goes wrong, and what they cost.
 */
import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { availableParallelism, cpus } from "node:os"
import { join } from "node:path"
import { behaviour, cachedHeaders, ours, sdk } from "./client/behaviour.ts"
import { importTimes, sizes } from "./client/size.ts"
import { root } from "./support/connectors.ts"
import { nanosPerAwait, spread } from "./support/measure.ts"

const rows = (cells: ReadonlyArray<ReadonlyArray<string>>): string =>
  [cells[0]!, cells[0]!.map(() => "---"), ...cells.slice(1)].map((row) => `| ${row.join(" | ")} |`).join("\n")

export const benchClient = async (): Promise<void> => {
  execFileSync(process.execPath, [join(root, "tools/packages/build.ts")], { stdio: "inherit" })
  const outcomes = await behaviour()
  const { calls, close } = await cachedHeaders()
  const nanos = await nanosPerAwait(calls, { calls: 100_000, rounds: 9 })
  await close()
  const started = importTimes(7)
  const bundles = await sizes()

  const text = `# The client beside Databricks' SDK for JavaScript

\`npm run bench -- client\` wrote this file: ${availableParallelism()} cores (${cpus()[0]?.model}), Node ${process.version}, both in one
run, on a workspace of the emulators.

${rows([
  ["", ours, sdk],
  ...Object.entries(outcomes).map(([situation, of]) => [situation, of[ours]!, of[sdk]!.replaceAll("|", "\\|")])
])}

A cached header, awaited (ns per call, min / median / max of 9 rounds):

${rows([["", "ns"], ...Object.entries(nanos).map(([name, values]) => [name, spread(values)])])}

A process that imports it and ends (ms, min / median / max of 7; the client from what \`npm run build:packages\` makes):

${rows([["imports", "ms"], ...Object.entries(started).map(([name, values]) => [name, spread(values)])])}

In a bundle of esbuild's, minified (KB of 1000 bytes):

${rows([
  ["exports", "minified", "gzip"],
  ...bundles.map(({ gzipped, minified, name }) => [name, minified.toFixed(0), gzipped.toFixed(0)])
])}
`
  writeFileSync(join(root, "bench/reports/client.md"), text)
  console.log(text)
}
