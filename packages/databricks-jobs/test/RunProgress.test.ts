import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { JobsClient, JobsClientMemory, layerMemory } from "@flyte-databricks/databricks-jobs/JobsClient"
import { JobsError, JobsUnavailable } from "@flyte-databricks/databricks-jobs/JobsError"
import { follow } from "@flyte-databricks/databricks-jobs/RunProgress"
import { Effect, Fiber, Ref, Stream } from "effect"
import { TestClock } from "effect/testing"
import { credentialAt } from "./support/headers.ts"

const here = credentialAt("here.cloud.databricks.com")
const running = { state: { life_cycle_state: "RUNNING" } }
const succeeded = { state: { life_cycle_state: "TERMINATED", result_state: "SUCCESS" } }

const followed = Effect.gen(function* () {
  const jobs = yield* JobsClient
  const memory = yield* JobsClientMemory
  const runId = yield* jobs.submit(here, {}, "t")
  const phases = yield* Ref.make<ReadonlyArray<string>>([])
  const end = yield* follow(jobs, here, runId, "1 second").pipe(
    Stream.runForEach(({ phase, ended }) => Ref.update(phases, (all) => [...all, ended ? `${phase}.` : phase])),
    Effect.forkChild({ startImmediately: true })
  )
  return { jobs, memory, runId, end, phases: Ref.get(phases) }
})

describe("following a run", () => {
  it.effect("tells how it is doing until it has ended", () =>
    Effect.gen(function* () {
      const { memory, runId, end, phases } = yield* followed
      yield* TestClock.adjust("1 second")
      yield* memory.setState(runId, running)
      yield* TestClock.adjust("1 second")
      yield* memory.setState(runId, succeeded)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(end)
      assertEquals(yield* phases, ["INITIALIZING", "INITIALIZING", "RUNNING", "SUCCEEDED."])
    }).pipe(Effect.provide(layerMemory, { local: true }))
  )

  it.effect("rides out what may pass, and not for ever", () =>
    Effect.gen(function* () {
      const { memory, end } = yield* followed
      const error = new JobsError({
        reason: new JobsUnavailable({ operation: "get run 1", instance: "here", detail: "nothing" })
      })
      yield* Effect.replicateEffect(memory.failNext(error), 3)
      yield* TestClock.adjust("5 seconds")
      assertEquals(end.pollUnsafe(), undefined)
      yield* Effect.replicateEffect(memory.failNext(error), 4)
      yield* TestClock.adjust("5 seconds")
      assertEquals(yield* Effect.flip(Fiber.join(end)), error)
    }).pipe(Effect.provide(layerMemory, { local: true }))
  )

  it.effect("ends at once with what does not pass", () =>
    Effect.gen(function* () {
      const { jobs, runId } = yield* followed
      const elsewhere = credentialAt("elsewhere.cloud.databricks.com")
      const error = yield* Effect.flip(Stream.runDrain(follow(jobs, elsewhere, runId, "1 second")))
      assertEquals(error.reason._tag, "RunNotFound")
    }).pipe(Effect.provide(layerMemory, { local: true }))
  )
})
