/** The program of TESTING.md is one that runs. */
import * as Testing from "@flyte-databricks/databricks-auth/testing"
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))
const read = (name: string) => readFileSync(`${root}${name}`, "utf8")
const text = read("TESTING.md")

describe("TESTING.md", () => {
  it("shows the program that is there, which holds what it says", () => {
    const [, shown] = /^```ts\n(.*?)```$/ms.exec(text) ?? []
    assert.strictEqual(shown, read("example.restore.test.ts"))
    const { status, stdout } = spawnSync(
      process.execPath,
      ["--test", "--test-reporter=tap", "example.restore.test.ts"],
      {
        cwd: root
      }
    )
    assert.strictEqual(status, 0, String(stdout))
    assert.match(String(stdout), /^# pass 1$/m)
  })

  it("names every module", () => {
    const [table = ""] = /\| module \|.*?\n\n/s.exec(text) ?? []
    assert.sameMembers(
      [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name),
      Object.keys(Testing)
    )
  })

  it("links to what is there", () => {
    for (const [, path] of text.matchAll(/\]\(([^)]+)\)/g)) assert.isTrue(existsSync(`${root}${path}`), path)
  })
})
