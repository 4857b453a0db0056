/**
 * Polls, whatever happens: Flyte hangs a task whose polls failed six times, so each has a phase for an answer.
 */
import { assert, describe } from "@effect/vitest"
import { Fault, type FaultAction } from "@flyte-databricks/emulators"
import { Circuit, RetryPolicy, TokenPolicy } from "@flyte-databricks/databricks-auth"
import { Duration, Effect, Layer, Schedule } from "effect"
import { BackOff } from "../../src/call/Faults.ts"
import { GoneAfter } from "../../src/runs/RunFollower.ts"
import { phaseOf } from "../support/FlyteClient.ts"
import { tampered, verdict } from "../support/outcomes.ts"
import * as tasks from "../support/tasks.ts"
import { scenario, withConnectorPat, type World } from "../support/World.ts"

const getPath = "/api/2.1/jobs/runs/get"
const tokenPath = "/oidc/v1/token"
const namespace = "team-oauth"

/** One retry, at once, and a failure is news the next time too. */
const impatient = Layer.mergeAll(
  Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(1)),
  Layer.succeed(BackOff, Schedule.recurs(1)),
  Layer.succeed(TokenPolicy.TokenPolicy, {
    ...TokenPolicy.defaults,
    failureTimeToLive: { unavailable: Duration.zero, refused: Duration.zero }
  }),
  Layer.succeed(Circuit.CircuitPolicy, { clients: 100, openFor: Schedule.spaced(0) })
)

interface Outage {
  readonly what: string
  readonly path: string
  readonly action: FaultAction
  readonly outcome: string
  readonly says: string
}

const outages: ReadonlyArray<Outage> = [
  { what: "429", path: getPath, action: Fault.status(429), outcome: "JobsUnavailable", says: "429" },
  { what: "503", path: getPath, action: Fault.status(503), outcome: "JobsUnavailable", says: "503" },
  {
    what: "a reset connection",
    path: getPath,
    action: Fault.connectionReset,
    outcome: "JobsUnavailable",
    says: "asked"
  },
  { what: "a login page", path: getPath, action: Fault.html(), outcome: "ResponseInvalid", says: "HTML page" },
  {
    what: "200 with an error",
    path: getPath,
    action: Fault.json({ error_code: "INTERNAL_ERROR", message: "boom" }),
    outcome: "ResponseInvalid",
    says: "INTERNAL_ERROR: boom"
  },
  { what: "200 without a state", path: getPath, action: Fault.json({}), outcome: "ResponseInvalid", says: "a state" },
  {
    what: "503 for a token",
    path: tokenPath,
    action: Fault.status(503),
    outcome: "TokenEndpointUnavailable",
    says: "503"
  },
  {
    what: "a page for a token",
    path: tokenPath,
    action: Fault.html(),
    outcome: "TokenResponseInvalid",
    says: "HTML page"
  }
]

describe("while Databricks answers with", () => {
  for (const { what, path, action, outcome, says } of outages) {
    scenario(`${what}, a run that is not known here is RUNNING, with why`, ({ workspace, serving }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* serving({}, ({ flyte }) => flyte.createTask(tasks.createTask({ namespace })))
        yield* workspace.faults.add({ path, action })
        yield* serving(
          {},
          (connector) =>
            Effect.gen(function* () {
              for (let poll = 0; poll < 8; poll++) {
                const answer = yield* verdict(connector, connector.flyte.getTask(resourceMeta))
                assert.deepStrictEqual([answer.phase, answer.outcome], ["RUNNING", outcome])
                assert.match(answer.message, /^No news of run \d+ since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ: /)
                assert.include(answer.message, says)
              }
              yield* workspace.faults.clear
              const resource = yield* connector.flyte.getTask(resourceMeta)
              assert.strictEqual(phaseOf(resource), "INITIALIZING")
            }),
          { references: impatient }
        )
      })
    )
  }
})

scenario("a run that was created here is QUEUED where its first poll has no news", ({ workspace, serving }) =>
  serving(
    {},
    (connector) =>
      Effect.gen(function* () {
        const resourceMeta = yield* connector.flyte.createTask(tasks.createTask())
        yield* workspace.faults.add({ path: getPath, action: Fault.status(503) })
        const answer = yield* verdict(connector, connector.flyte.getTask(resourceMeta))
        assert.deepStrictEqual([answer.phase, answer.outcome], ["QUEUED", "JobsUnavailable"])
        assert.include(answer.message, "It was QUEUED when last asked: Submitted")
      }),
    { references: impatient }
  )
)

describe("a run that the workspace does not know", () => {
  const missing = { error_code: "RESOURCE_DOES_NOT_EXIST", message: "Run does not exist." }

  const missingFor =
    (goneAfter: Duration.Input, phases: ReadonlyArray<string>) =>
    ({ workspace, serving }: World) =>
      serving(
        {},
        (connector) =>
          Effect.gen(function* () {
            const { flyte } = connector
            const resourceMeta = yield* flyte.createTask(tasks.createTask())
            yield* flyte.getTask(resourceMeta)
            yield* workspace.faults.add({ path: getPath, action: Fault.status(404, { body: missing }) })
            for (const phase of phases) {
              const answer = yield* verdict(connector, flyte.getTask(resourceMeta))
              assert.deepStrictEqual([answer.phase, answer.outcome], [phase, "RunNotFound"])
              assert.include(answer.message, "knows no run")
            }
            yield* workspace.faults.clear
            assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
          }),
        { references: Layer.succeed(GoneAfter, goneAfter) }
      )

  scenario("for a moment is said to go on", missingFor("1 hour", ["RUNNING", "RUNNING", "RUNNING"]))

  scenario("for longer ends its attempt", missingFor("1 millis", ["RUNNING", "RETRYABLE_FAILED"]))
})

describe("a run that was polled before", () => {
  scenario("keeps its phase, its words and its link through an outage", ({ workspace, serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const { flyte } = connector
          const resourceMeta = yield* flyte.createTask(tasks.createTask())
          const [run] = yield* workspace.runs
          const running = { lifeCycleState: "RUNNING", message: "In run" }
          yield* workspace.setRunPlan(run?.runId ?? 0n, { phases: [running] })
          const before = yield* flyte.getTask(resourceMeta)
          yield* workspace.faults.add({ path: getPath, action: Fault.status(503) })
          const first = yield* verdict(connector, flyte.getTask(resourceMeta))
          const later = yield* verdict(connector, flyte.getTask(resourceMeta))
          for (const { phase, message, links } of [first, later]) {
            assert.strictEqual(phase, "RUNNING")
            assert.include(message, "It was RUNNING when last asked: In run")
            assert.deepStrictEqual(
              links,
              before.logLinks.map(({ uri }) => uri)
            )
          }
          const since = (message: string) => /since (\S+):/.exec(message)?.[1]
          assert.strictEqual(since(later.message), since(first.message))
          yield* workspace.faults.clear
          assert.deepStrictEqual(yield* flyte.getTask(resourceMeta), before)
        }),
      { references: impatient }
    )
  )

  scenario("is asked for again within the poll, until Databricks answers", ({ workspace, serving }) =>
    serving({}, ({ flyte, log }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        yield* workspace.faults.add({ path: getPath, times: 2, action: Fault.status(503) })
        assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
        assert.strictEqual(yield* workspace.requests.count({ path: getPath }), 3)
        assert.strictEqual(log.calls().at(-1)?.annotations["outcome"], "ok")
      })
    )
  )

  scenario(
    "is asked for only for a moment in each further poll, so that the retries of many keep nothing down",
    (world) =>
      world.serving({}, ({ flyte, log }) =>
        Effect.gen(function* () {
          const resourceMeta = yield* flyte.createTask(tasks.createTask())
          yield* world.workspace.faults.add({ path: getPath, action: Fault.status(503) })
          yield* flyte.getTask(resourceMeta, { timeout: 1000 })
          yield* flyte.getTask(resourceMeta, { timeout: 10_000 })
          assert.isBelow(Number(log.calls().at(-1)?.annotations["durationMs"]), 6000)
        })
      )
  )

  scenario("is given up after the patience that was set, for another attempt", ({ workspace, serving }) =>
    serving(
      { FLYTE_DATABRICKS_POLL_PATIENCE: "0 seconds" },
      (connector) =>
        Effect.gen(function* () {
          const { flyte } = connector
          const resourceMeta = yield* flyte.createTask(tasks.createTask())
          const before = yield* flyte.getTask(resourceMeta)
          yield* workspace.faults.add({ path: getPath, action: Fault.status(503) })
          const { phase, message } = yield* verdict(connector, flyte.getTask(resourceMeta))
          assert.strictEqual(phase, "RETRYABLE_FAILED")
          assert.include(message, "FLYTE_DATABRICKS_POLL_PATIENCE")
          assert.include(message, before.logLinks[0]?.uri ?? "a link")
          assert.include(message, "databricks jobs cancel-run 9007199254740993")
        }),
      { references: impatient }
    )
  )
})

describe("a caller with two seconds is answered within them, while", () => {
  const hangs = [
    { what: "the token endpoint", path: tokenPath, waitingFor: "a token of sp-of-team-oauth for" },
    { what: "the Jobs API", path: getPath, waitingFor: "to say how run 9007199254740993 is doing" }
  ]
  for (const { what, path, waitingFor } of hangs) {
    scenario(`${what} says nothing`, ({ workspace, serving }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* serving({}, ({ flyte }) => flyte.createTask(tasks.createTask({ namespace })))
        const gate = yield* workspace.faults.hold({ path })
        yield* serving({}, (connector) =>
          Effect.gen(function* () {
            const polls = yield* Effect.all(
              [1, 2].map(() => connector.flyte.getTask(resourceMeta, { timeout: 2000 })),
              { concurrency: "unbounded" }
            )
            for (const poll of polls) {
              assert.strictEqual(phaseOf(poll), "RUNNING")
              assert.include(poll.message, "GetTask was given up after 1.")
              assert.include(poll.message, waitingFor)
            }
            assert.deepStrictEqual(
              connector.log.calls().map(({ level, annotations }) => [level, annotations["outcome"]]),
              [
                ["WARN", "DeadlinePassed"],
                ["WARN", "DeadlinePassed"]
              ]
            )
            yield* gate.release
            assert.strictEqual(phaseOf(yield* connector.flyte.getTask(resourceMeta)), "INITIALIZING")
          })
        )
      })
    )
  }
})

scenario("while Kubernetes does not answer for the Secret, a run is RUNNING too", ({ kubernetes, serving }) =>
  Effect.gen(function* () {
    const env = { FLYTE_DATABRICKS_PERSIST_PAT: "false" }
    const resourceMeta = yield* serving(env, ({ flyte }) => flyte.createTask(tasks.createTask()))
    yield* kubernetes.faults.add({ action: Fault.status(503) })
    yield* serving(
      env,
      (connector) =>
        Effect.gen(function* () {
          const answer = yield* verdict(connector, connector.flyte.getTask(resourceMeta))
          assert.deepStrictEqual([answer.phase, answer.outcome], ["RUNNING", "KubernetesUnavailable"])
          assert.include(answer.message, "Secret databricks-token in namespace team-pat")
        }),
      { references: impatient }
    )
  })
)

describe("what does not pass ends the task with what to do:", () => {
  interface Verdict {
    readonly what: string
    readonly action?: FaultAction
    readonly changes?: Record<string, unknown>
    readonly phase: string
    readonly outcome: string
    readonly says: string
  }
  const verdicts: ReadonlyArray<Verdict> = [
    {
      what: "a token that is refused, also a fresh one",
      action: Fault.status(401),
      phase: "FAILED",
      outcome: "TokenRefused",
      says: "Check that it is not revoked"
    },
    {
      what: "a permission that was taken away",
      action: Fault.status(403, { body: { error_code: "PERMISSION_DENIED", message: "no right" } }),
      phase: "FAILED",
      outcome: "PermissionDenied",
      says: "give it the permission"
    },
    {
      what: "a workspace that is not on the allow-list",
      changes: { databricks_instance: "evil.example.com" },
      phase: "FAILED",
      outcome: "InstanceRefused",
      says: "FLYTE_DATABRICKS_ALLOWED_INSTANCES"
    }
  ]
  for (const { what, action, changes = {}, phase, outcome, says } of verdicts) {
    scenario(what, ({ workspace, serving }) =>
      serving(withConnectorPat, (connector) =>
        Effect.gen(function* () {
          const { flyte } = connector
          const resourceMeta = yield* flyte.createTask(tasks.createTask())
          if (action !== undefined) yield* workspace.faults.add({ path: getPath, action })
          const answer = yield* verdict(connector, flyte.getTask(tampered(resourceMeta, changes)))
          assert.deepStrictEqual([answer.phase, answer.outcome], [phase, outcome])
          assert.include(answer.message, says)
          assert.include(answer.message, "may still be going on")
        })
      )
    )
  }

  scenario("a client that is refused a token", ({ workspace, serving }) =>
    Effect.gen(function* () {
      const resourceMeta = yield* serving({}, ({ flyte }) => flyte.createTask(tasks.createTask({ namespace })))
      yield* workspace.faults.add({
        path: tokenPath,
        action: Fault.status(401, {
          body: { error: "invalid_client", error_description: "Client authentication failed" }
        })
      })
      yield* serving({}, (connector) =>
        Effect.gen(function* () {
          const { phase, message } = yield* verdict(connector, connector.flyte.getTask(resourceMeta))
          assert.strictEqual(phase, "FAILED")
          assert.include(message, "401 invalid_client: Client authentication failed")
        })
      )
    })
  )
})
