/** The program of README.md runs. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import { Effect, FileSystem, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))
const read = (name: string) => FileSystem.FileSystem.use((files) => files.readFileString(path(name)))

const run = (env: Record<string, string>) =>
  ChildProcess.make(process.execPath, [path("example.ts")], { env, extendEnv: false }).pipe(
    Effect.flatMap(({ all }) => all.pipe(Stream.decodeText(), Stream.mkString))
  )

describe("the program of the README", () => {
  it.effect("is the file that is there", () =>
    Effect.gen(function* () {
      const [, shown] = /^```ts\n(.*?)```$/ms.exec(yield* read("README.md")) ?? []
      assert.strictEqual(shown, yield* read("example.ts"))
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("asks a workspace", () =>
    Effect.gen(function* () {
      const workspace = yield* DatabricksWorkspace.make()
      assert.strictEqual(yield* run({ DATABRICKS_HOST: workspace.url }), "200\n")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
