/** The oracles of selection share nothing with the code, so a mode that they have not heard of has to be noticed. */
import { AuthMode, Modes } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { sources } from "../support/sources.ts"
import { combinations } from "./Combination.ts"
import { judged } from "./NamesOracle.ts"
import { strongestFirst } from "./Oracle.ts"

/** The places of the modes in the list, in the order in which auto-detection looks at them. */
const places = Effect.map(Effect.provide(AuthMode.wireAll(Modes.all), sources), (modes) =>
  modes.flatMap(({ authType, places, tag }) => places.map(({ tenancy: at }) => ({ tag, authType, at })))
)

describe("the oracles know every place of every mode", () => {
  it.effect("in the order of auto-detection", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        strongestFirst(combinations[0]!, undefined).map(({ at, authType }) => `${authType} of the ${at}`),
        (yield* places).filter(({ at }) => at !== "request").map(({ at, authType }) => `${authType} of the ${at}`)
      )
    })
  )

  it.effect("by what a task names", () =>
    Effect.gen(function* () {
      assert.sameMembers(
        [...judged],
        (yield* places).map(({ at, tag }) => `${tag}/${at}`)
      )
    })
  )
})
