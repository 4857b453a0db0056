/** A thousand tasks of Flyte's, with faults in a fifth of all calls behind the connector. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Config, Effect, Random } from "effect"
import * as Simulation from "./Simulation.ts"
import { flawless, leftBehind, report, verdictOf } from "./verdict.ts"

// Another seed is another thousand tasks: FLYTE_DATABRICKS_SIMULATION_SEED=… tells whether a change was lucky.
const seed = Config.String("FLYTE_DATABRICKS_SIMULATION_SEED").pipe(Config.withDefault("propeller"))

const simulation = (name: string, scenario: Simulation.Scenario) =>
  it.effect(
    name,
    () =>
      Effect.gen(function* () {
        const chosen = yield* seed
        const outcome = yield* Random.withSeed(Simulation.run(scenario), chosen)
        process.stdout.write(`${report(`${name} (seed ${chosen})`, outcome)}\n`)
        assertEquals(verdictOf(outcome), flawless)
        assert.isBelow(leftBehind(outcome), 0.01)
      }),
    300_000
  )

describe("of 1,000 tasks none hangs, none is lost, none runs twice and each ends as its run did", () => {
  const busy = { tasks: 1000, window: "10 minutes", replicas: 2, faults: 0.2 } as const

  simulation("with faults in 20 % of all calls", busy)

  simulation("with an update and a crash on top", {
    ...busy,
    events: ({ deployment }) =>
      Effect.gen(function* () {
        yield* Effect.sleep("4 minutes")
        yield* deployment.update
        yield* Effect.sleep("4 minutes")
        yield* deployment.crash
      })
  })

  simulation("through ten minutes in which Databricks and Kubernetes do not answer", {
    ...busy,
    window: "1 minute",
    // A create or a delete in the middle of it fails, and costs what it costs: what must not is a poll.
    onlyFollowed: true,
    faults: 0.02,
    events: ({ setFaults }) =>
      Effect.gen(function* () {
        yield* Effect.sleep("3 minutes")
        yield* setFaults(1)
        yield* Effect.sleep("10 minutes")
        yield* setFaults(0.2)
      })
  })
})
