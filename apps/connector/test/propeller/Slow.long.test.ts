/** Databricks that takes its time, and answers that get lost: what Flyte does not know of is not left running. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Config, Effect, Random } from "effect"
import { chance } from "./dice.ts"
import * as Faults from "./faults.ts"
import * as Simulation from "./Simulation.ts"
import { flawless, report, takenBack, unknownOf, verdictOf } from "./verdict.ts"

const submitPath = "/api/2.1/jobs/runs/submit"
const tokenPath = "/oidc/v1/token"
const getPath = "/api/2.1/jobs/runs/get"
const createPath = /CreateTask$/

const submitsTake =
  (seconds: number): Faults.Weather =>
  ({ path }) =>
    path === submitPath ? Faults.slow(`${seconds} seconds`) : undefined

const tokensTake =
  (seconds: number): Faults.Weather =>
  ({ path }) =>
    path === tokenPath ? Faults.slow(`${seconds} seconds`) : undefined

const tasks = { tasks: 40, window: "2 minutes", replicas: 1, faults: 0, onlyFollowed: true, newCallers: true } as const

// Another seed is other tasks: FLYTE_DATABRICKS_SIMULATION_SEED=… tells whether a change was lucky.
const seed = Config.String("FLYTE_DATABRICKS_SIMULATION_SEED").pipe(Config.withDefault("slow"))

const simulate = (name: string, scenario: Partial<Simulation.Scenario>) =>
  Effect.gen(function* () {
    const chosen = yield* seed
    const outcome = yield* Random.withSeed(Simulation.run({ ...tasks, ...scenario }), chosen)
    process.stdout.write(`${report(`${name} (seed ${chosen})`, outcome)}\n`)
    return outcome
  })

/** Every task ends as its run did, and has one. */
const allSucceed = (name: string, scenario: Partial<Simulation.Scenario>) =>
  it.effect(
    name,
    () =>
      Effect.gen(function* () {
        const outcome = yield* simulate(name, scenario)
        assertEquals(verdictOf(outcome), flawless)
        assertEquals(outcome.runs.length, outcome.ended.length)
        assertEquals(unknownOf(outcome), { runs: 0, active: 0, longest: 0 })
      }),
    60_000
  )

/** Nothing that Flyte does not know of goes on for long. Tasks fail only where that is said. */
const nothingLeft = (name: string, scenario: Partial<Simulation.Scenario>, tasks: "succeed" | "may fail" = "succeed") =>
  it.effect(
    name,
    () =>
      Effect.gen(function* () {
        const outcome = yield* simulate(name, scenario)
        const { active, longest } = unknownOf(outcome)
        assertEquals(active, 0)
        assert.isAtMost(longest, 70)
        const { lost, ...others } = verdictOf(outcome)
        assertEquals({ ...others, lost: tasks === "succeed" ? lost : 0 }, flawless)
      }),
    60_000
  )

describe("every task has one run where", () => {
  for (const seconds of [1, 5, 9]) {
    allSucceed(`a submit takes ${seconds} s`, { weather: submitsTake(seconds) })
  }

  // The request goes on when its caller is gone: the next attempt has the token.
  for (const seconds of [5, 9, 12]) {
    allSucceed(`a token takes ${seconds} s`, { attempts: 3, weather: tokensTake(seconds) })
  }

  allSucceed("the workspace does not know its runs for a moment", {
    window: "1 second",
    weather: ({ path, at }) => (getPath === path && at > 30_000 && at < 45_000 ? Faults.forgetful : undefined)
  })

  for (const [what, lostAt] of [
    ["submit", submitPath],
    ["request for a token", tokenPath]
  ] as const) {
    allSucceed(`the first answer to each ${what} is lost`, {
      attempts: 1,
      weather: ({ path, before }) => (path === lostAt && before === 0 ? Faults.answerLost : undefined)
    })
  }
})

describe("nothing that Flyte does not know of goes on where", () => {
  nothingLeft("a submit takes 12 s", { attempts: 3, weather: submitsTake(12) }, "may fail")

  nothingLeft(
    "the first three answers to each submit are lost",
    {
      attempts: 3,
      weather: ({ path, before }) => (path === submitPath && before < 3 ? Faults.answerLost : undefined)
    },
    "may fail"
  )

  nothingLeft("everything takes 5 s", {
    weather: () => Faults.slow("5 seconds"),
    kubernetesTakes: "5 seconds"
  })

  // Versions before task categories wait for three seconds.
  nothingLeft("a submit takes 2 s and a token 5, of callers too that wait for three", {
    attempts: 3,
    newCallers: false,
    weather: ({ path }) =>
      path === submitPath ? Faults.slow("2 seconds") : path === tokenPath ? Faults.slow("5 seconds") : undefined
  })

  nothingLeft("every third answer is lost on its way to Flyte", {
    attempts: 20,
    way: (path) => (createPath.test(path) ? lostAnswer("answer lost") : Effect.succeed("arrives"))
  })

  nothingLeft("every third connection breaks in the midst of a create", {
    attempts: 20,
    weather: submitsTake(3),
    way: (path) => (createPath.test(path) ? lostAnswer("connection lost") : Effect.succeed("arrives"))
  })

  nothingLeft("Databricks does not answer for 20 s", {
    attempts: 4,
    window: "1 second",
    weather: ({ at }) => (at < 20_000 ? Faults.silence : undefined)
  })
})

describe("all tasks succeed through 20 s in which", () => {
  for (const [what, fault] of [
    ["Databricks says that it is down", Faults.down],
    ["nobody answers the door", Faults.refused]
  ] as const) {
    allSucceed(what, {
      attempts: 4,
      window: "1 second",
      weather: ({ at }) => (at < 20_000 ? fault : undefined)
    })
  }
})

describe("a task that is RUNNING stays so through an outage", () => {
  const outage: Simulation.Scenario["events"] = ({ deployment, setFaults }) =>
    Effect.gen(function* () {
      // All runs have begun by then.
      yield* Effect.sleep("70 seconds")
      yield* setFaults(1)
      yield* deployment.update
      yield* Effect.sleep("1 minute")
      yield* setFaults(0)
    })

  for (const replicas of [1, 2]) {
    it.effect(`in which each of ${replicas} connectors starts anew`, () =>
      Effect.gen(function* () {
        const outcome = yield* simulate(`an outage and an update of ${replicas}`, {
          replicas,
          window: "1 second",
          events: outage
        })
        assertEquals(verdictOf(outcome), flawless)
        assertEquals(takenBack(outcome), 0)
      })
    )
  }
})

const lostAnswer = (way: "answer lost" | "connection lost") =>
  Effect.map(chance(0.33), (lost) => (lost ? way : "arrives"))
