/**
 * What a program pays for the import of one: the time of a process that does nothing else, and the size in a bundle.
 */
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { build } from "esbuild"
import { root } from "../support/connectors.ts"

const client = join(root, "dist/packages/databricks-auth/dist/client.js")

/** What is imported, by what the report calls it. */
const programs: Readonly<Record<string, string>> = {
  "databricks-auth/client": `export { databricks, oauthM2M } from ${JSON.stringify(client)}`,
  "@databricks/sdk-experimental, Config": `export { Config } from "@databricks/sdk-experimental"`,
  "@databricks/sdk-experimental, WorkspaceClient": `export { WorkspaceClient } from "@databricks/sdk-experimental"`
}

export interface Size {
  readonly name: string
  /** KB. */
  readonly minified: number
  readonly gzipped: number
}

export const sizes = async (): Promise<ReadonlyArray<Size>> =>
  Promise.all(
    Object.entries(programs).map(async ([name, contents]) => {
      const { outputFiles } = await build({
        stdin: { contents, resolveDir: root, loader: "js" },
        bundle: true,
        minify: true,
        write: false,
        platform: "node",
        format: "esm",
        logLevel: "silent"
      })
      const { contents: bytes } = outputFiles[0]!
      return { name, minified: bytes.length / 1000, gzipped: gzipSync(bytes).length / 1000 }
    })
  )

const nothing = "nothing (Node.js itself)"

/** Milliseconds from the start of a process to its end, by what it imports. */
export const importTimes = (rounds: number): Readonly<Record<string, ReadonlyArray<number>>> => {
  const imports: Readonly<Record<string, string>> = {
    [nothing]: "",
    "databricks-auth/client": `await import(${JSON.stringify(client)})`,
    "@databricks/sdk-experimental": `await import("@databricks/sdk-experimental")`
  }
  const times: Record<string, Array<number>> = Object.fromEntries(Object.keys(imports).map((name) => [name, []]))
  for (let round = -1; round < rounds; round++) {
    for (const [name, program] of Object.entries(imports)) {
      const start = performance.now()
      execFileSync(process.execPath, ["--input-type=module", "-e", program], { cwd: root })
      // The first round fills the disk's cache.
      if (round >= 0) times[name]!.push(performance.now() - start)
    }
  }
  return times
}
