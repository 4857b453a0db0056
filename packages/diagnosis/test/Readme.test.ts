/** The program of README.md runs. */
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import * as ReadmeProgram from "@flyte-databricks/emulators/testing/ReadmeProgram"
import { Effect, Redacted } from "effect"

const program = ReadmeProgram.of(new URL("..", import.meta.url))

describe("the program of the README", () => {
  it.effect("is the file that is there", () =>
    Effect.map(program.texts, ({ shown, written }) => assert.strictEqual(shown, written))
  )

  it.live("says whether a PAT works, and what to do where it does not", () =>
    Effect.gen(function* () {
      const workspace = yield* DatabricksWorkspace.make()
      const { pats } = yield* workspace.addServicePrincipal({ pats: ["dapi-of-the-readme"] })
      const env = { FLYTE_DATABRICKS_INSTANCE: workspace.url, FLYTE_DATABRICKS_AUTH_TYPE: "pat" }
      const sound = yield* program.run({ ...env, FLYTE_DATABRICKS_ACCESS_TOKEN: Redacted.value(pats[0]!) })
      assert.include(sound, "ok jobs: It may use the Jobs API.")
      const refused = yield* program.run({ ...env, FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-of-nobody" })
      assert.match(refused, /^error me: .*401/m)
      assert.notMatch(sound + refused, /dapi-of/)
    })
  )
})
