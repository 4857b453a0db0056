/**
 * The caches of Flyte's Python connector and of Databricks' Python SDK, where Python is there (`npm run setup:python`).
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { Schema } from "effect"

const python = process.env["FLYTE_DATABRICKS_PYTHON"] ?? join(import.meta.dirname, "../../.venv/bin/python")

const Rounds = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Array(Schema.Finite)))

/** Nanoseconds per call in each round. */
export const pythonHeaders = async (hot: number): Promise<Readonly<Record<string, ReadonlyArray<number>>>> => {
  if (!existsSync(python)) {
    console.log(`\nPython's are left out: there is no ${python} (npm run setup:python).`)
    return {}
  }
  const script = join(import.meta.dirname, "cached.py")
  const { stdout } = await promisify(execFile)(python, [script, String(hot), "20000", "9"])
  return Schema.decodeUnknownSync(Rounds)(stdout.trim().split("\n").at(-1))
}
