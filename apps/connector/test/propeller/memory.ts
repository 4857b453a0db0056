/** A stage on which this connector plays, in memory and on a virtual clock. */
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Deployment from "./Deployment.ts"
import * as Faults from "./faults.ts"
import type { Order } from "./orders.ts"
import { succeeds } from "./plans.ts"
import { play, type Scenario, type Trouble } from "./Scenario.ts"
import { connector } from "./Simulation.ts"
import * as Tally from "./Tally.ts"
import { scenarioTeam } from "./teams.ts"
import * as Workspace from "./Workspace.ts"

const submitPath = "/api/2.1/jobs/runs/submit"
const getPath = "/api/2.1/jobs/runs/get"

const weatherOf =
  (troubles: ReadonlyArray<Trouble>): Faults.Weather =>
  ({ path, at }) => {
    const seconds = at / 1000
    for (const trouble of troubles) {
      const { from = 0, until = Infinity } = trouble
      if (seconds < from || seconds >= until) continue
      if (trouble.what === "nobody there") return Faults.refused
      if (trouble.what === "run not found" && path === getPath) return Faults.forgetful
      if (trouble.what === "slow" && (trouble.calls === "all" || path === submitPath)) {
        return Faults.slow(`${trouble.seconds} seconds`)
      }
    }
    return undefined
  }

/** Plays a scenario with this connector. */
export const playOurs = Effect.fnUntraced(function* (scenario: Scenario, flyte: Order["version"]) {
  const tally = Tally.make()
  const workspace = yield* Workspace.make((task) => scenario.plan?.(Number(task.replace("task-", ""))) ?? succeeds)
  const weather = weatherOf(scenario.troubles ?? [])
  const { call, restart, update } = yield* Deployment.make(
    scenario.replicas ?? 1,
    (process) => connector(workspace, Effect.succeed(0), tally, { weather }, process),
    () => Effect.succeed("arrives")
  )
  const stage = { call, connector: { restart, update }, team: scenarioTeam, runs: workspace.runs }
  // The clock waits for what it wakes, and for nothing else.
  const playing = yield* Effect.forkScoped(Effect.delay(play(scenario, flyte, stage), "1 millis"))
  while (playing.pollUnsafe() === undefined) yield* TestClock.adjust("5 seconds")
  return yield* Fiber.join(playing)
}, Effect.scoped)
