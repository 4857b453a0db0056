/** What the simulated control planes show of the phases that they are told: as the real ones do. */
import { describe, it } from "@effect/vitest"
import { assertEquals, assertTrue } from "@effect/vitest/utils"
import { Effect } from "effect"
import * as Console from "./Console.ts"

const attempt = "task-0 0"

/** By their names; the first is the executor's own. */
const told = (console: Console.Console, phases: ReadonlyArray<string>) =>
  Effect.forEach(phases, (phase, index) => console.tell({ attempt, phase, version: index === 0 ? 2 : 0, links: 0 }))

const seen = Effect.fnUntraced(function* (console: Console.Console, ...phases: ReadonlyArray<string>) {
  yield* told(console, phases)
  return console.seen(attempt).phases
})

describe("Flyte 1", () => {
  const make = () => Console.flyte1(0)

  it.effect("shows no QUEUED of a connector's, which is older than propeller's own", () =>
    Effect.gen(function* () {
      assertEquals(yield* seen(make(), "QUEUED", "QUEUED", "RUNNING"), ["QUEUED", "RUNNING"])
    })
  )

  it.effect("shows a lower phase that is new, and then stays there until another one is new", () =>
    Effect.gen(function* () {
      const phases = yield* seen(make(), "QUEUED", "INITIALIZING", "RUNNING", "QUEUED", "RUNNING", "SUCCEEDED")
      assertEquals(phases, ["QUEUED", "INITIALIZING", "RUNNING", "QUEUED", "SUCCEEDED"])
    })
  )

  it.effect("shows no lower phase that it showed before", () =>
    Effect.gen(function* () {
      const phases = yield* seen(make(), "QUEUED", "INITIALIZING", "RUNNING", "INITIALIZING", "RUNNING", "SUCCEEDED")
      assertEquals(phases, ["QUEUED", "INITIALIZING", "RUNNING", "SUCCEEDED"])
    })
  )

  it.effect("shows it again when propeller has started anew", () =>
    Effect.gen(function* () {
      const console = make()
      yield* told(console, ["QUEUED", "INITIALIZING", "RUNNING"])
      yield* console.forget
      yield* console.tell({ attempt, phase: "INITIALIZING", version: 0, links: 0 })
      assertEquals(console.seen(attempt).phases, ["QUEUED", "INITIALIZING", "RUNNING", "INITIALIZING"])
    })
  )

  it.effect("shows nothing more of what is over", () =>
    Effect.gen(function* () {
      assertEquals(yield* seen(make(), "QUEUED", "FAILED", "RUNNING"), ["QUEUED", "FAILED"])
    })
  )
})

describe("Flyte 2", () => {
  it.effect("shows no lower phase, whoever starts anew", () =>
    Effect.gen(function* () {
      const console = Console.flyte2(0)
      yield* told(console, ["QUEUED", "INITIALIZING", "RUNNING"])
      yield* console.forget
      const phases = yield* seen(console, "QUEUED", "INITIALIZING", "RUNNING", "SUCCEEDED")
      assertEquals(phases, ["QUEUED", "INITIALIZING", "RUNNING", "SUCCEEDED"])
    })
  )
})

for (const [name, make] of [
  ["Flyte 1", Console.flyte1],
  ["Flyte 2", Console.flyte2]
] as const) {
  describe(`${name}`, () => {
    it.effect("shows a link that comes with a phase, and none that comes within it", () =>
      Effect.gen(function* () {
        const [early, late] = [make(0), make(0)]
        yield* early.tell({ attempt, phase: "RUNNING", version: 0, links: 1 })
        assertTrue(early.seen(attempt).hasLink)
        yield* late.tell({ attempt, phase: "RUNNING", version: 0, links: 0 })
        yield* late.tell({ attempt, phase: "RUNNING", version: 0, links: 1 })
        assertTrue(!late.seen(attempt).hasLink)
      })
    )

    it.effect("takes nothing of an event that it refuses", () =>
      Effect.gen(function* () {
        const console = make(1)
        assertTrue(!(yield* console.tell({ attempt, phase: "RUNNING", version: 0, links: 1 })))
        assertEquals(console.seen(attempt), { phases: [], hasLink: false })
      })
    )
  })
}
