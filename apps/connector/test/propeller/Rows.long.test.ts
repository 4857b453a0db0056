/** What was seen of Flyte's own programs, as scenarios of the simulation, with this connector. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect } from "effect"
import { playOurs } from "./memory.ts"
import { of, rows } from "./rows.ts"
import { resultOf } from "./Scenario.ts"

for (const flyte of ["Flyte 1", "Flyte 2"] as const) {
  describe(`${flyte}`, () => {
    for (const [name, { scenario, ours }] of Object.entries(rows)) {
      const { longest = 0, changes = 4, deletes, ...expected } = of(ours, flyte)
      it.effect(
        name,
        () =>
          Effect.gen(function* () {
            const played = yield* playOurs(scenario, flyte)
            assertEquals(resultOf(played), { runs: 0, unknown: 0, left: 0, back: 0, seenBack: 0, ...expected })
            assert.isAtMost(played.longest, longest)
            assert.isAtMost(played.changes, changes)
            if (deletes !== undefined) assert.isAtMost(played.tally.get("delete calls") ?? 0, deletes)
          }),
        60_000
      )
    }
  })
}
