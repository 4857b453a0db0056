/**
 * The packages in `examples` stand on what is published alone, as a stranger's would; and they run. So does the demo, which
 * is the largest of them.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { foreignImports } from "./imports.ts"

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "")
const examples = ["env-oidc", "entra-id"] as const

const sourcesOf = (folder: string) => globSync(`${folder}/{src/**/*,*}.{ts,js}`, { cwd: root })
const read = (path: string) => readFileSync(`${root}/${path}`, "utf8")

/** Runs Node in an example's folder, to the end. */
const node = (example: string, ...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, args, { cwd: `${root}/examples/${example}` })
  return { output: `${stdout}${stderr}`, exitCode: status }
}

describe.each(examples)("the example %s", (example) => {
  const folder = `examples/${example}`

  it("imports what is published, of packages that it names, and nothing else", () => {
    const { dependencies } = JSON.parse(read(`${folder}/package.json`))
    assert.isNotEmpty(sourcesOf(folder))
    for (const path of sourcesOf(folder)) {
      assert.deepStrictEqual(foreignImports(read(path), Object.keys(dependencies)), [], path)
    }
  })

  it("has fewer than 150 lines in each file", () => {
    for (const path of sourcesOf(folder)) assert.isBelow(read(path).split("\n").length, 150, path)
  })

  it("passes the laws of modes", () => {
    const { exitCode, output } = node(example, "--test", "--test-reporter=tap", "src/laws.test.ts")
    assert.strictEqual(exitCode, 0, output)
    const count = Number(/^# pass (\d+)$/m.exec(output)?.[1])
    assert.isAbove(count, 10, "so that none passes because none was tried")
  })

  it("runs, says where its credential came from, and shows no token", () => {
    const { exitCode, output } = node(example, "src/main.ts")
    assert.strictEqual(exitCode, 0, output)
    assert.match(output, /^(environment variable DATABRICKS_OIDC_TOKEN|Secret databricks-oauth .*): used$/m)
    assert.include(output, "<redacted:authorization>")
    assert.notMatch(output, /eyJ/)
  })
})

describe("every example", () => {
  it("is tried here", () => {
    const folders = globSync("examples/*/package.json", { cwd: root }).map((path) => path.split("/")[1])
    assert.sameMembers(folders, [...examples])
  })
})

describe("the demo", () => {
  const { dependencies, devDependencies } = JSON.parse(read("apps/demo/package.json"))
  const paths = globSync("apps/demo/{src,test,page}/**/*.ts", { cwd: root }).concat("apps/demo/embed.ts")

  it("stands on what is published: of this repository's packages nothing that an index does not show", () => {
    const named = Object.keys({ ...dependencies, ...devDependencies })
    for (const path of paths) assert.deepStrictEqual(foreignImports(read(path), named), [], path)
  })

  it("needs no app", () => {
    const apps = globSync("apps/*/package.json", { cwd: root }).map((path) => JSON.parse(read(path)).name)
    assert.notIncludeMembers(Object.keys({ ...dependencies, ...devDependencies }), apps)
    for (const name of apps) assert.include(name, "@flyte-databricks/")
  })
})

describe("the check itself", () => {
  const of = (text: string) => foreignImports(text, ["effect", "@flyte-databricks/databricks-auth"])

  it("lets published names through", () => {
    const text = `import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { Laws } from "@flyte-databricks/databricks-auth/testing"
import * as Effect from "effect/Effect"
import { test } from "node:test"
export * from "./Other.ts"
const later = import("effect")`
    assert.deepStrictEqual(of(text), [])
  })

  it.each([
    [`import { a } from "../../packages/databricks-auth/src/index.ts"`],
    [`import { a } from "@flyte-databricks/databricks-auth/endpoint/RetryPolicy"`],
    [`import { a } from "@flyte-databricks/databricks-auth/src/index.ts"`],
    [`import type { A } from "@flyte-databricks/databricks-jobs"`],
    [`export { a } from "@flyte-databricks/databricks-auth/internal/settings"`],
    [`const a = await import("@flyte-databricks/databricks-auth/tokens/TokenCache")`],
    [`import "../../../packages/emulators/src/main.ts"`],
    [`import { a } from "undici"`]
  ])("finds %s", (text) => {
    assert.lengthOf(of(text), 1)
  })
})
