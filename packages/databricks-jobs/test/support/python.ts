import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"

/** Runs a script on JSON and reads the JSON it prints. */
export const runPython = (python: string, script: URL, input: unknown): unknown =>
  JSON.parse(
    execFileSync(python, [fileURLToPath(script)], {
      input: JSON.stringify(input),
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
      timeout: 120_000
    })
  )
