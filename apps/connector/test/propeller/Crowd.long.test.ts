/** More tasks than a workspace takes, and three replicas that do not know of each other. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Random } from "effect"
import * as Faults from "./faults.ts"
import * as Simulation from "./Simulation.ts"
import { flawless, report, verdictOf } from "./verdict.ts"

/** A workspace that answers 429 to what is beyond so many a second, and counts how often. */
const strict = (perSecond: Readonly<Record<string, number>>) => {
  const seconds = new Map<string, number>()
  let refused = 0
  const weather: Faults.Weather = ({ path, at }) => {
    const limit = perSecond[path]
    if (limit === undefined) return undefined
    const key = `${path} ${Math.floor(at / 1000)}`
    const count = (seconds.get(key) ?? 0) + 1
    seconds.set(key, count)
    if (count <= limit) return undefined
    refused += 1
    return Faults.tooMany
  }
  return { weather, refused: () => refused, most: () => Math.max(...seconds.values()) }
}

describe("a workspace that takes 35 submits and 100 polls a second", () => {
  it.effect(
    "is sent hardly more by three replicas, and every task ends as its run did",
    () =>
      Effect.gen(function* () {
        const { weather, refused, most } = strict({ "/api/2.1/jobs/runs/submit": 35, "/api/2.1/jobs/runs/get": 100 })
        const tasks = {
          tasks: 500,
          window: "12 seconds",
          replicas: 3,
          faults: 0,
          onlyFollowed: true,
          newCallers: true
        } as const
        const outcome = yield* Random.withSeed(Simulation.run({ ...tasks, weather }), "crowd")
        process.stdout.write(`${report("crowd", outcome)}; ${refused()} times 429, ${most()} in a second at most\n`)
        assertEquals(verdictOf(outcome), flawless)
        assert.isBelow(refused(), 60)
      }),
    300_000
  )
})
