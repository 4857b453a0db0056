/** More callers than can be served at once, over sockets. */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import * as FlyteClient from "../support/FlyteClient.ts"
import * as tasks from "../support/tasks.ts"
import { scenario, type World } from "../support/World.ts"

const submit = { path: "/api/2.1/jobs/runs/submit" }
const get = { path: "/api/2.1/jobs/runs/get" }
const cancel = { path: "/api/2.1/jobs/runs/cancel" }

const callers = 1000

const requestsTo = ({ workspace }: World, path: string) =>
  Effect.map(workspace.requests.all(), (requests) => requests.filter((request) => request.path === path).length)

/** Waits until so many requests have come. */
const seen = (world: World, path: string, count: number) =>
  requestsTo(world, path).pipe(
    Effect.repeat({ until: (found) => found >= count, schedule: Schedule.spaced("20 millis") })
  )

// As much as the stand-in can give: whether a workspace's limit is kept is tested for itself.
const quick = { FLYTE_DATABRICKS_SUBMITS_PER_SECOND: "1000000", FLYTE_DATABRICKS_GETS_PER_SECOND: "1000000" }

describe("a thousand creates at once", () => {
  scenario(
    "are all served, as many at a time as may be, and others do not wait for them",
    (world) =>
      world.serving(quick, ({ flyte, port }) =>
        Effect.gen(function* () {
          // A connection has room for a thousand calls; probes, and propeller for the registry, come on one of their own.
          const aside = yield* FlyteClient.make(`127.0.0.1:${port}`, [])
          const other = yield* flyte.createTask(tasks.createTask({ namespace: "team-oauth", execution: "other" }))
          const gate = yield* world.workspace.faults.hold(submit)
          const all = yield* Effect.forkChild(
            Effect.forEach(
              Array.from({ length: callers }, (_, n) => n),
              (n) => flyte.createTask(tasks.createTask({ execution: `e${n}` }), { timeout: 600_000 }),
              { concurrency: "unbounded" }
            )
          )
          // A third of 128, and the one before.
          yield* seen(world, submit.path, 44)
          for (const service of ["", "flyteidl.service.AsyncAgentService"]) {
            assert.strictEqual(yield* aside.health(service), "SERVING")
          }
          assert.lengthOf((yield* aside.listAgents).agents, 1)
          yield* aside.getTask(other)
          yield* aside.deleteTask(other)
          assert.strictEqual(yield* requestsTo(world, submit.path), 44)
          yield* gate.release
          assert.lengthOf(yield* Fiber.join(all), callers)
          assert.lengthOf(yield* world.workspace.runs, callers + 1)
        })
      ),
    {},
    120_000
  )
})

describe("who cannot be served in time", () => {
  const one = { ...quick, FLYTE_DATABRICKS_MAX_CONCURRENT_REQUESTS: "1" }

  scenario("hears so in time: a poll RUNNING, a create and a delete UNAVAILABLE; and nothing was sent", (world) =>
    world.serving(one, ({ flyte, log }) =>
      Effect.gen(function* () {
        const run = yield* flyte.createTask(tasks.createTask())
        const gate = yield* world.workspace.faults.hold(get)
        const first = yield* Effect.forkChild(flyte.getTask(run))
        yield* gate.arrived

        const soon = { timeout: 5000 }
        const [polled, created, deleted] = yield* Effect.all(
          [
            flyte.getTask(run, soon),
            Effect.flip(flyte.createTask(tasks.createTask({ execution: "another" }), soon)),
            Effect.flip(flyte.deleteTask(run, soon))
          ],
          { concurrency: "unbounded" }
        )
        const words = /127\.0\.0\.1:\d+ was not asked to .*FLYTE_DATABRICKS_MAX_CONCURRENT_REQUESTS=1\)\./
        assert.match(polled.message, words)
        assert.match(polled.message, /^No news of run \d+ since/)
        for (const { code, details } of [created, deleted]) {
          assert.strictEqual(code, "UNAVAILABLE")
          assert.match(details, words)
          assert.match(details, /\[FDC610, docs\/troubleshooting\.md#overloaded\]$/)
        }
        assert.strictEqual(yield* requestsTo(world, submit.path), 1)
        assert.strictEqual(yield* requestsTo(world, cancel.path), 0)
        assert.includeMembers(
          log.lines().map(({ annotations }) => annotations["outcome"]),
          ["Overloaded"]
        )

        yield* gate.release
        yield* Fiber.join(first)
        yield* flyte.deleteTask(run)
        assert.strictEqual(yield* requestsTo(world, cancel.path), 1)
      })
    )
  )
})

describe("a connector that is told to stop", () => {
  scenario("serves those who wait for their turn", (world) =>
    Effect.gen(function* () {
      const gate = yield* world.workspace.faults.hold(submit)
      const env = { ...quick, FLYTE_DATABRICKS_MAX_CONCURRENT_REQUESTS: "3" }
      const all = yield* world.serving(env, ({ flyte }) =>
        Effect.gen(function* () {
          const all = yield* Effect.forkDetach(
            Effect.forEach([1, 2, 3, 4, 5], (n) => flyte.createTask(tasks.createTask({ execution: `e${n}` })), {
              concurrency: "unbounded"
            })
          )
          yield* gate.arrived
          yield* Effect.forkDetach(Effect.delay(gate.release, "200 millis"))
          return all
        })
      )
      assert.lengthOf(yield* Fiber.join(all), 5)
    })
  )
})
