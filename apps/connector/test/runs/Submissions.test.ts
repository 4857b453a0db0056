/** What becomes of submits whose answer Flyte may not hear, and of their runs. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { type Credential, Identity, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { JobsClient, JobsError, type RunId } from "@flyte-databricks/databricks-jobs"
import * as Log from "@flyte-databricks/emulators/testing/Log"
import { Clock, Effect, Exit, Fiber, Logger, Metric, Option, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Turns from "../../src/admission/Turns.ts"
import * as Audit from "../../src/audit/Audit.ts"
import * as Call from "../../src/call/Call.ts"
import * as MetadataKey from "../../src/runs/MetadataKey.ts"
import * as Submissions from "../../src/runs/Submissions.ts"

const instance = WorkspaceHost.WorkspaceHost.make("dbc-a1b2.cloud.databricks.com")
const credentialOf = (name: string): Credential.Credential => ({
  identity: new Identity.PatIdentity({ instance, origin: { _tag: "NamespaceSecret", namespace: name, name: "pat" } })
})
const ann = credentialOf("ann")
const attempt = (retryAttempt: number) => ({
  org: "",
  project: "billing",
  domain: "production",
  execution: "f0c1d2e3",
  node: "n0",
  task: "nightly",
  retryAttempt
})

const unavailable = (status: number | undefined) =>
  new JobsError.JobsError({
    reason: new JobsError.JobsUnavailable({
      operation: "submit a run",
      instance,
      detail: "…",
      ...(status === undefined ? { answerLost: true } : { status })
    })
  })

/** What happens to a request: how long it takes, and how it fails after that or before it. */
interface Weather {
  readonly takes?: number
  readonly before?: JobsError.JobsError
  readonly after?: JobsError.JobsError
}

/** Databricks takes the job, and its answer does not come. */
const lost = { after: unavailable(undefined) }

/** Submissions to a workspace in memory; the nth request to submit meets with the nth weather, the rest with none. */
const world = Effect.fnUntraced(function* (...weather: ReadonlyArray<Weather>) {
  const context = yield* Effect.context<Services>()
  const jobs = yield* JobsClient.JobsClient
  const memory = yield* JobsClient.JobsClientMemory
  const log = Log.make()
  const scope = yield* Scope.make()
  let requests = 0
  const submissions = yield* Submissions.make({
    ...jobs,
    submit: (...args) =>
      Effect.gen(function* () {
        const { takes = 0, before, after } = weather[requests++] ?? {}
        if (before !== undefined) return yield* before
        const runId = yield* jobs.submit(...args)
        yield* Effect.sleep(takes)
        return after === undefined ? runId : yield* after
      })
  }).pipe(Scope.provide(scope), Effect.provide(Logger.layer([log.logger])), Effect.provideContext(context))

  /** A create of Flyte's, which waits for ten seconds. */
  const create = (retryAttempt = 0, credential = ann) =>
    Effect.gen(function* () {
      const deadline = (yield* Clock.currentTimeMillis) + 10_000
      const header = { authorization: Redacted.make("Bearer pat") }
      const order = { attempt: attempt(retryAttempt), credential, header, body: {}, patientUntil: deadline }
      return yield* Call.run("CreateTask", Option.some(deadline), submissions.submit(order))
    }).pipe(Effect.provide(Logger.layer([log.logger])), Effect.forkChild({ startImmediately: true }))

  return {
    create,
    jobs,
    memory,
    known: (runId: RunId.RunId) => submissions.known(`${instance} ${runId}`),
    close: Scope.close(scope, Exit.void),
    requests: () => requests,
    /** For each run, whether it was cancelled. */
    cancelled: Effect.map(memory.runs, (runs) => runs.map(({ cancelled }) => cancelled)),
    warnings: () =>
      log
        .lines()
        .filter(({ level, annotations }) => level === "WARN" && !("outcome" in annotations))
        .map(({ message, annotations }) => `${String(annotations["why"])}: ${String(message)}`)
  }
})

type Services =
  | Audit.Audit
  | Audit.AuditMemory
  | JobsClient.JobsClient
  | JobsClient.JobsClientMemory
  | MetadataKey.MetadataKey
  | Turns.Turns

const test = (name: string, run: Effect.Effect<void, unknown, Services>) =>
  it.effect(name, () =>
    Effect.provide(run, [JobsClient.layerMemory, MetadataKey.layerNone, Audit.layerMemory, Turns.layer])
  )

describe("an attempt", () => {
  test(
    "that is created twice at once is submitted once",
    Effect.gen(function* () {
      const { create, requests } = yield* world({ takes: 1000 })
      const both = [yield* create(), yield* create()]
      yield* TestClock.adjust("1 second")
      const [one, other] = yield* Fiber.joinAll(both)
      assert.strictEqual(one, other)
      assert.strictEqual(requests(), 1)
    })
  )

  test(
    "that is created again as somebody else is another's",
    Effect.gen(function* () {
      const { create, requests } = yield* world({ takes: 1000 })
      const both = [yield* create(), yield* create(0, credentialOf("bob"))]
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll(both)
      assert.strictEqual(requests(), 2)
    })
  )

  test(
    "has the answer to its submit, however long that takes within the deadline",
    Effect.gen(function* () {
      const { create, cancelled } = yield* world({ takes: 9000 }, { takes: 9000 })
      const call = yield* create()
      yield* TestClock.adjust("9 seconds")
      yield* Fiber.join(call)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* cancelled, [false])
    })
  )

  test(
    "is asked for once more beside a request that is not answered, and the first answer is its",
    Effect.gen(function* () {
      const { create, requests } = yield* world({ takes: 3_600_000 })
      const call = yield* create()
      yield* TestClock.adjust("4749 millis")
      assert.strictEqual(requests(), 1)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(call)
      assert.strictEqual(requests(), 2)
    })
  )

  for (const [name, weather, turnsTaken] of [
    ["stands in line again for another try", { before: unavailable(503) }, 2],
    ["does not, where its answer was lost: there may be a run", lost, 1]
  ] as const) {
    test(
      name,
      Effect.gen(function* () {
        const turns = yield* Turns.Turns
        let taken = 0
        const counting = Turns.Turns.of({
          ...turns,
          take: (kind, credential) => {
            if (kind === "submit") taken += 1
            return turns.take(kind, credential)
          }
        })
        const { create, requests } = yield* Effect.provideService(world(weather), Turns.Turns, counting)
        const call = yield* create()
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(call)
        assert.strictEqual(requests(), 2)
        assert.strictEqual(taken, turnsTaken)
      })
    )
  }

  test(
    "is not submitted once nobody waits, where no request was taken",
    Effect.gen(function* () {
      const down = { before: unavailable(503) }
      const { create, memory, requests } = yield* world(down, down, down)
      const call = yield* create()
      yield* TestClock.adjust("300 millis")
      yield* Fiber.interrupt(call)
      const made = requests()
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(requests(), made)
      assert.deepStrictEqual(yield* memory.runs, [])
    })
  )
})

describe("a run whose create is over", () => {
  const late = { takes: 12_000 }

  test(
    "is cancelled where nobody creates the attempt again, with a warning",
    Effect.gen(function* () {
      const { create, cancelled, warnings } = yield* world(late, late, late)
      const call = yield* create()
      yield* TestClock.adjust("69499 millis")
      assert.isTrue(Exit.isFailure(yield* Fiber.await(call)))
      assert.deepStrictEqual(yield* cancelled, [false])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* cancelled, [true])
      assert.match(warnings().join(), /^unclaimed: Run \d+ was cancelled: no create could be answered with it/)
    })
  )

  test(
    "is the attempt's when that is created again",
    Effect.gen(function* () {
      const { create, cancelled, memory, requests } = yield* world(late, late, late)
      const first = yield* create()
      yield* TestClock.adjust("11 seconds")
      yield* Fiber.await(first)
      const second = yield* create()
      yield* TestClock.adjust("1 second")
      const [run] = yield* memory.runs
      assert.strictEqual(yield* Fiber.join(second), run?.runId)
      assert.strictEqual(requests(), 2)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* cancelled, [false])
    })
  )

  test(
    "is cancelled as soon as it is known that there is one, when the next attempt is created",
    Effect.gen(function* () {
      const { create, cancelled, warnings } = yield* world(late, late)
      const first = yield* create()
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.await(first)
      yield* create(1)
      yield* TestClock.adjust("1999 millis")
      assert.deepStrictEqual(yield* cancelled, [false, false])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* cancelled, [true, false])
      assert.match(warnings().join(), /^superseded: Run \d+ was cancelled: Flyte has made another attempt/)
    })
  )

  test(
    "gives way to another when its attempt is created again after that",
    Effect.gen(function* () {
      const { create, cancelled } = yield* world(late, late)
      const first = yield* create()
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.await(first)
      const second = yield* Fiber.join(yield* create())
      assert.deepStrictEqual(yield* cancelled, [true, false])
      assert.strictEqual(yield* Fiber.join(yield* create()), second)
    })
  )

  test(
    "is let be where it is over by itself",
    Effect.gen(function* () {
      const { create, cancelled, memory, warnings } = yield* world(late, late, late)
      yield* create()
      yield* TestClock.adjust("15 seconds")
      for (const { runId } of yield* memory.runs) {
        yield* memory.setState(runId, { state: { life_cycle_state: "TERMINATED", result_state: "SUCCESS" } })
      }
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* cancelled, [false])
      assert.deepStrictEqual(warnings(), [])
    })
  )

  test(
    "that cannot be cancelled is left to people, who hear of it",
    Effect.gen(function* () {
      const { create, memory, warnings } = yield* world(late, late, late)
      yield* create()
      yield* TestClock.adjust("15 seconds")
      yield* memory.failNext(
        new JobsError.JobsError({
          reason: new JobsError.PermissionDenied({
            operation: "get run",
            instance,
            status: 403,
            detail: "no",
            principal: "ann"
          })
        })
      )
      yield* TestClock.adjust("1 minute")
      assert.match(warnings().join(), /^unclaimed: Run \d+ should be cancelled.*databricks jobs cancel-run/)
    })
  )

  test(
    "is finished and cancelled before the connector ends",
    Effect.gen(function* () {
      const { create, cancelled, close } = yield* world(late, late)
      const call = yield* create()
      yield* TestClock.adjust("9 seconds")
      yield* Fiber.interrupt(call)
      const closed = yield* Effect.forkChild(close, { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(closed)
      assert.deepStrictEqual(yield* cancelled, [true])
    })
  )
})

describe("a run that was answered with", () => {
  test(
    "is superseded too, where Flyte never asked for it",
    Effect.gen(function* () {
      const { create, cancelled } = yield* world()
      yield* Fiber.join(yield* create())
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* cancelled, [false])
      yield* Fiber.join(yield* create(1))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* cancelled, [true, false])
    })
  )

  test(
    "is Flyte's own business once it has asked for it",
    Effect.gen(function* () {
      const { create, cancelled, known } = yield* world()
      known(yield* Fiber.join(yield* create()))
      yield* Fiber.join(yield* create(1))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* cancelled, [false, false])
    })
  )

  test(
    "is left when the connector ends: Flyte may ask another for it",
    Effect.gen(function* () {
      const { create, cancelled, close } = yield* world()
      yield* Fiber.join(yield* create())
      yield* close
      assert.deepStrictEqual(yield* cancelled, [false])
    })
  )
})

describe("an answer that is lost", () => {
  test(
    "is asked for again, as long as the call lasts",
    Effect.gen(function* () {
      const { create, memory } = yield* world(lost, { after: unavailable(502) })
      const call = yield* create()
      yield* TestClock.adjust("5 seconds")
      const [run] = yield* memory.runs
      assert.strictEqual(yield* Fiber.join(call), run?.runId)
    })
  )

  test(
    "is asked for when the attempt is created again, whatever came of that one's create",
    Effect.gen(function* () {
      const rejected = new JobsError.JobsError({
        reason: new JobsError.RequestRejected({ operation: "submit a run", instance, status: 400, detail: "no" })
      })
      const { create, cancelled, memory } = yield* world(lost, { before: rejected }, { before: unavailable(503) })
      const first = yield* create()
      yield* TestClock.adjust("1 second")
      assertEquals(yield* Fiber.await(first), Exit.fail(rejected))
      const second = yield* Fiber.join(yield* create())
      yield* TestClock.adjust("1 hour")
      const [run] = yield* memory.runs
      assert.strictEqual(run?.runId, second)
      assert.deepStrictEqual(yield* cancelled, [false])
    })
  )

  test(
    "is asked for also when nobody waits any more, and its run is cancelled",
    Effect.gen(function* () {
      const { create, cancelled } = yield* world({ takes: 1000, ...lost }, lost, lost, lost)
      const call = yield* create()
      yield* Fiber.interrupt(call)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* cancelled, [true])
    })
  )

  test(
    "that does not come in two minutes is left to people, who hear of it",
    Effect.gen(function* () {
      const { create, warnings } = yield* world(...Array.from({ length: 100 }, () => ({ takes: 1000, ...lost })))
      const call = yield* create()
      yield* Fiber.interrupt(call)
      yield* TestClock.adjust("5 minutes")
      assert.match(warnings().join(), /Databricks may have taken this job and did not say so/)
    })
  )
})

const superseded = Effect.map(Metric.snapshot, (metrics) =>
  metrics.flatMap(({ id, attributes, state }) =>
    id === "flyte_connector_disowned_runs_total" && attributes?.["why"] === "superseded" && "count" in state
      ? [state.count]
      : []
  )
)

test(
  "runs that are cancelled are counted, by why",
  Effect.gen(function* () {
    const { create } = yield* world()
    const [before = 0] = yield* superseded
    yield* Fiber.join(yield* create())
    yield* Fiber.join(yield* create(1))
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(yield* superseded, [Number(before) + 1])
  })
)

describe("the record", () => {
  const late = { takes: 12_000 }
  const rejected = new JobsError.JobsError({
    reason: new JobsError.RequestRejected({ operation: "submit a run", instance, status: 400, detail: "no" })
  })
  const tell = Effect.map(
    Audit.AuditMemory.use(({ events }) => events),
    (events) => events.map(({ event }) => event)
  )
  const submitted = ["run.intended", "run.submitted"]

  for (const [how, weather] of [
    ["at once", []],
    ["after a second", [{ takes: 1000 }]],
    ["after others that Databricks did not take", [{ before: unavailable(503) }, { before: unavailable(503) }]],
    ["though its answer was lost, and lost again", [lost, { after: unavailable(502) }]],
    ["by two requests beside each other", [{ takes: 9000 }, { takes: 9000 }]]
  ] as const) {
    test(
      `has one intention and one submit of a run that is submitted ${how}`,
      Effect.gen(function* () {
        const { create, memory } = yield* world(...weather)
        const call = yield* create()
        yield* TestClock.adjust("9900 millis")
        const runId = yield* Fiber.join(call)
        yield* TestClock.adjust("1 hour")
        const events = yield* Audit.AuditMemory.use(({ events }) => events)
        assert.deepStrictEqual(yield* tell, submitted)
        const [intended, done] = events
        assert.strictEqual(done?.runId, runId)
        assert.strictEqual(done?.submission, intended?.submission)
        assert.lengthOf(yield* memory.runs, 1)
      })
    )
  }

  test(
    "has one submit of a run whose answer came after the deadline, and that it was cancelled",
    Effect.gen(function* () {
      const { create } = yield* world(late, late, late)
      yield* create()
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* tell, [...submitted, "run.cancelled"])
    })
  )

  test(
    "has one submit of a run that two creates of the attempt are answered with, one after the other",
    Effect.gen(function* () {
      const { create, known } = yield* world()
      known(yield* Fiber.join(yield* create()))
      yield* Fiber.join(yield* create())
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* tell, [...submitted, "run.intended"])
    })
  )

  test(
    "has one submit of a run that a create finds whose submit before was in doubt",
    Effect.gen(function* () {
      const { create } = yield* world(lost, { before: rejected }, { before: unavailable(503) })
      const first = yield* create()
      yield* TestClock.adjust("1 second")
      yield* Fiber.await(first)
      yield* Fiber.join(yield* create())
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(
        (yield* tell).filter((event) => event !== "run.intended"),
        ["run.submitted"]
      )
    })
  )

  test(
    "says of the same run the same, whoever finds it",
    Effect.gen(function* () {
      const replicas = [yield* world(), yield* world()]
      for (const { create } of replicas) yield* Fiber.join(yield* create())
      const events = yield* Audit.AuditMemory.use(({ events }) => events)
      const uids = events.filter(({ event }) => event === "run.submitted").map(({ uid }) => uid)
      assert.lengthOf(uids, 2)
      assert.strictEqual(uids[0], uids[1])
    })
  )

  test(
    "says that there is no run, and why",
    Effect.gen(function* () {
      const { create } = yield* world({ before: rejected })
      yield* Fiber.await(yield* create())
      const [, refused] = yield* Audit.AuditMemory.use(({ events }) => events)
      assert.strictEqual(refused?.event, "run.refused")
      assert.strictEqual(refused?.refusal?.reason, "RequestRejected")
      assert.strictEqual(refused?.refusal?.code, "FDC605")
    })
  )

  test(
    "says that there may be a run, where Databricks never said",
    Effect.gen(function* () {
      const { create } = yield* world(...Array.from({ length: 100 }, () => ({ takes: 1000, ...lost })))
      yield* create()
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(yield* tell, ["run.intended", "run.unknown"])
    })
  )

  test(
    "that cannot be made keeps Databricks from being asked, until it can",
    Effect.gen(function* () {
      const { create, requests } = yield* world()
      const audit = yield* Audit.AuditMemory
      yield* audit.setProblem("ENOSPC")
      const failed = yield* create()
      yield* TestClock.adjust("10 seconds")
      const failure = yield* Effect.flip(Fiber.join(failed))
      assert.strictEqual(failure.reason._tag, "AuditUnavailable")
      assert.include(failure.message, "could not be written to memory: ENOSPC")
      assert.strictEqual(requests(), 0)

      const waits = yield* create()
      yield* TestClock.adjust("1 second")
      yield* audit.setProblem(undefined)
      yield* TestClock.adjust("9 seconds")
      yield* Fiber.join(waits)
      assert.strictEqual(requests(), 1)
      assert.deepStrictEqual(yield* tell, submitted)
    })
  )
})
