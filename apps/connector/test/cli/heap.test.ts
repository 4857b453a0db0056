/** How far the heap grows, in the Node.js that is pinned. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { run } from "../support/commands.ts"

const source = readFileSync(new URL("../../src/cli/heap.ts", import.meta.url), "utf8")

describe("the option by which the heap grows", () => {
  it.live("is one that V8 has: another is passed over without a word", () =>
    Effect.gen(function* () {
      const [, option = ""] = /setFlagsFromString\("(--[a-z-]+)=/.exec(source) ?? []
      const known = yield* run(process.execPath, ["--v8-options"], {})
      assert.include(known, `  ${option} (`)
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
