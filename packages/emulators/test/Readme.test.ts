/** The programs of README.md are those that run here. */
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const read = (path: string) => readFileSync(`${root}${path}`, "utf8")

describe("README.md", () => {
  it("shows programs that are run as tests, as they are", () => {
    const shown = [...read("README.md").matchAll(/^```ts\n(.*?)```$/gms)].map(([, program]) => program)
    const run = globSync("test/readme/*.test.ts", { cwd: root }).map(read)
    assert.isNotEmpty(shown)
    assert.sameMembers(shown, run)
  })
})
