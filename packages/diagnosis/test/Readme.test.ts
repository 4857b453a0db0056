/** The program of README.md runs. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import { Effect, FileSystem, Redacted, Stream } from "effect"
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

  it.live("says whether a PAT works, and what to do where it does not", () =>
    Effect.gen(function* () {
      const workspace = yield* DatabricksWorkspace.make()
      const { pats } = yield* workspace.addServicePrincipal({ pats: ["dapi-of-the-readme"] })
      const env = { FLYTE_DATABRICKS_INSTANCE: workspace.url, FLYTE_DATABRICKS_AUTH_TYPE: "pat" }
      const sound = yield* run({ ...env, FLYTE_DATABRICKS_ACCESS_TOKEN: Redacted.value(pats[0]!) })
      assert.include(sound, "ok jobs: It may use the Jobs API.")
      const refused = yield* run({ ...env, FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-of-nobody" })
      assert.match(refused, /^error me: .*401/m)
      assert.notMatch(sound + refused, /dapi-of/)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
