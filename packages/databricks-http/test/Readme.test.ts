/** The program of README.md runs. */
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import * as ReadmeProgram from "@flyte-databricks/emulators/testing/ReadmeProgram"
import { Effect } from "effect"

const program = ReadmeProgram.of(new URL("..", import.meta.url))

describe("the program of the README", () => {
  it.effect("is the file that is there", () =>
    Effect.map(program.texts, ({ shown, written }) => assert.strictEqual(shown, written))
  )

  it.live("asks a workspace", () =>
    Effect.gen(function* () {
      const workspace = yield* DatabricksWorkspace.make()
      assert.strictEqual(yield* program.run({ DATABRICKS_HOST: workspace.url }), "200\n")
    })
  )
})
