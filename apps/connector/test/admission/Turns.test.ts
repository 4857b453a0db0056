/** Requests in their turn, on a clock that is moved on by hand. */
import { assert, describe, it } from "@effect/vitest"
import { Identity, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { JobsError } from "@flyte-databricks/databricks-jobs"
import { Clock, Deferred, Effect, Exit, Fiber, Metric, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import type * as Ticket from "../../src/admission/Ticket.ts"
import * as Line from "../../src/admission/Line.ts"
import * as Turns from "../../src/admission/Turns.ts"
import * as Call from "../../src/call/Call.ts"
import type { Failure } from "../../src/call/ConnectorError.ts"
import { rideOut } from "../../src/call/Faults.ts"

const credential = (host: string) => ({
  identity: new Identity.PatIdentity({
    instance: WorkspaceHost.WorkspaceHost.make(host),
    origin: { _tag: "NamespaceSecret", namespace: "team", name: "pat" }
  })
})
const ann = credential("dbc-a1b2.cloud.databricks.com")

const limits = (atOnce: number, submits = 1e6): Ticket.Limits => ({
  atOnce,
  perSecond: { submit: submits, get: 1e6, cancel: 1e6, output: 1e6 }
})

/** A call that Flyte gives ten seconds, and one request in it. */
const call = <A>(turns: Turns.Turns["Service"], request: Effect.Effect<A, Failure>, kind: Ticket.Kind = "submit") =>
  Effect.gen(function* () {
    const deadline = (yield* Clock.currentTimeMillis) + 10_000
    return yield* Call.run("CreateTask", Option.some(deadline), turns.take(kind, ann)(request))
  }).pipe(Effect.exit, Effect.forkChild({ startImmediately: true }))

const tooMany = new JobsError.JobsError({
  reason: new JobsError.JobsUnavailable({
    operation: "submit a run",
    instance: "dbc-a1b2.cloud.databricks.com",
    status: 429,
    detail: "too many"
  })
})

/** How often Databricks said that it was too much, as Prometheus is told. */
const limited = Effect.map(Metric.snapshot, (metrics) =>
  metrics.reduce(
    (sum, metric) =>
      metric.id === "flyte_connector_rate_limited_total" && metric.type === "Counter"
        ? sum + Number(metric.state.count)
        : sum,
    0
  )
)

const reasonOf = (exit: Exit.Exit<unknown, Failure>) => Option.getOrThrow(Exit.findErrorOption(exit)).reason

describe("a request", () => {
  it.effect("is made when its turn has come, and not before", () =>
    Effect.gen(function* () {
      const turns = yield* Turns.make(limits(3))
      const answer = yield* Deferred.make<void>()
      let made = 0
      const one = yield* call(
        turns,
        Effect.andThen(
          Effect.sync(() => made++),
          Deferred.await(answer)
        )
      )
      const two = yield* call(
        turns,
        Effect.sync(() => made++)
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual(made, 1)
      yield* Deferred.succeed(answer, undefined)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(one)))
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(two)))
      assert.strictEqual(made, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("that is given up in the line is never made, and holds up nobody", () =>
    Effect.gen(function* () {
      const turns = yield* Turns.make(limits(3))
      const answer = yield* Deferred.make<void>()
      let made = 0
      yield* call(turns, Deferred.await(answer))
      const gone = yield* call(
        turns,
        Effect.sync(() => made++)
      )
      const stays = yield* call(turns, Effect.succeed("mine"))
      yield* Fiber.interrupt(gone)
      yield* Deferred.succeed(answer, undefined)
      assert.deepStrictEqual(yield* Fiber.join(stays), Exit.succeed("mine"))
      assert.strictEqual(made, 0)
    }).pipe(Effect.scoped)
  )

  it.effect("that is given up under way makes room", () =>
    Effect.gen(function* () {
      const turns = yield* Turns.make(limits(3))
      const hangs = yield* call(turns, Effect.never)
      const next = yield* call(turns, Effect.succeed("mine"))
      yield* Fiber.interrupt(hangs)
      assert.deepStrictEqual(yield* Fiber.join(next), Exit.succeed("mine"))
    }).pipe(Effect.scoped)
  )

  it.effect(
    "that cannot be made in time is refused by the time that an answer takes before its end, in words that say why",
    () =>
      Effect.gen(function* () {
        const turns = yield* Turns.make(limits(6))
        const start = yield* Clock.currentTimeMillis
        yield* call(turns, Effect.sleep("1 second"))
        yield* call(turns, Effect.never)
        yield* TestClock.adjust("1 second")
        yield* call(turns, Effect.never)
        const late = yield* call(turns, Effect.succeed("never"))
        const told = yield* Effect.forkChild(Effect.andThen(Fiber.join(late), Clock.currentTimeMillis))
        yield* TestClock.adjust("20 seconds")
        assert.closeTo((yield* Fiber.join(told)) - start, 9500 - 150, 30)
        const reason = reasonOf(yield* Fiber.join(late))
        assert.strictEqual(reason._tag, "Overloaded")
        assert.strictEqual(
          reason.message,
          "dbc-a1b2.cloud.databricks.com was not asked to submit a run: its turn would have come too late for the caller's " +
            "deadline; 0 other requests wait for theirs. Nothing was sent. Try again later. If it lasts, add replicas, or see " +
            "docs/deadlines.md for the limit that holds (FLYTE_DATABRICKS_MAX_CONCURRENT_REQUESTS=6)."
        )
      }).pipe(Effect.scoped)
  )

  it.effect("goes when another one's arrival finds that its turn has come, whenever that is", () =>
    Effect.gen(function* () {
      for (let millis = 1; millis <= 60; millis++) {
        const turns = yield* Turns.make(limits(192, 35))
        // Registered before the alarm: at the same moment it comes before it.
        yield* Effect.forkChild(Effect.delay(turns.take("get", ann)(Effect.void), millis), { startImmediately: true })
        const all = yield* Effect.forEach([1, 2, 3, 4], (n) => call(turns, Effect.succeed(n)))
        yield* TestClock.adjust("1 second")
        for (const fiber of all) assert.isDefined(fiber.pollUnsafe(), `after ${millis} ms`)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("that was refused is not tried again within its call", () =>
    Effect.gen(function* () {
      const turns = yield* Turns.make(limits(192, 1))
      for (let n = 0; n < 5; n++) yield* call(turns, Effect.void)
      const started = yield* Clock.currentTimeMillis
      const hasty = yield* Effect.gen(function* () {
        const request = turns.take("submit", ann)(Effect.void).pipe(rideOut(Infinity))
        return yield* Call.run("CreateTask", Option.some(started + 3000), request)
      }).pipe(Effect.exit)
      const reason = reasonOf(hasty)
      assert.strictEqual(reason._tag, "Overloaded")
      assert.include(reason.message, "(FLYTE_DATABRICKS_SUBMITS_PER_SECOND=1)")
      assert.strictEqual(yield* Clock.currentTimeMillis, started)
    }).pipe(Effect.scoped)
  )
})

describe("a call that waits ahead of its request", () => {
  const { instance } = ann.identity
  const other = credential("dbc-c3d4.cloud.databricks.com")

  /** A call that waits first, then does this and makes a request that is answered when it is told. */
  const ahead = Effect.fnUntraced(function* (
    turns: Turns.Turns["Service"],
    { before = Effect.void, who = ann }: { readonly before?: Effect.Effect<void>; readonly who?: typeof ann } = {}
  ) {
    const answer = yield* Deferred.make<string>()
    const seen = { waited: false, began: false, asked: false }
    const request = Effect.andThen(
      Effect.sync(() => (seen.asked = true)),
      Deferred.await(answer)
    )
    const work = Effect.sync(() => (seen.began = true)).pipe(
      Effect.andThen(before),
      Effect.andThen(turns.take("submit", who)(request))
    )
    const first = turns.ahead({ workspace: instance, namespace: "", kind: "submit" }, () => (seen.waited = true))(work)
    const deadline = (yield* Clock.currentTimeMillis) + 10_000
    const fiber = yield* Call.run("CreateTask", Option.some(deadline), first).pipe(
      Effect.exit,
      Effect.forkChild({ startImmediately: true })
    )
    return { seen, fiber, answer: Deferred.succeed(answer, "answer") }
  })

  it.effect("makes it in the turn that it has, and who has to wait begins nothing and hears of it", () =>
    Effect.gen(function* () {
      const turns = yield* Turns.make(limits(3))
      const one = yield* ahead(turns)
      const two = yield* ahead(turns)
      assert.deepStrictEqual(one.seen, { waited: false, began: true, asked: true })
      assert.deepStrictEqual(two.seen, { waited: true, began: false, asked: false })
      yield* one.answer
      assert.deepStrictEqual(yield* Fiber.join(one.fiber), Exit.succeed("answer"))
      assert.deepStrictEqual(two.seen, { waited: true, began: true, asked: true })
      yield* two.answer
      assert.deepStrictEqual(yield* Fiber.join(two.fiber), Exit.succeed("answer"))
    }).pipe(Effect.scoped)
  )

  it.effect("and ends without one leaves its turn to the next", () =>
    Effect.gen(function* () {
      const turns = yield* Turns.make(limits(3))
      const one = yield* ahead(turns, { before: Effect.never })
      const two = yield* ahead(turns)
      assert.isFalse(two.seen.began)
      yield* Fiber.interrupt(one.fiber)
      assert.isTrue(two.seen.asked)
    }).pipe(Effect.scoped)
  )

  it.effect("and is slow to make it has lost its turn, and waits once more", () =>
    Effect.gen(function* () {
      const turns = yield* Turns.make(limits(3))
      const slow = yield* ahead(turns, { before: Effect.sleep("3 seconds") })
      const next = yield* ahead(turns)
      yield* TestClock.adjust(Line.mostAhead)
      assert.isTrue(next.seen.asked)
      yield* TestClock.adjust("3 seconds")
      assert.isFalse(slow.seen.asked)
      yield* next.answer
      yield* Fiber.join(next.fiber)
      assert.isTrue(slow.seen.asked)
    }).pipe(Effect.scoped)
  )

  it.effect("asks another workspace in that one's turn, and gives its own back", () =>
    Effect.gen(function* () {
      const turns = yield* Turns.make(limits(3))
      const elsewhere = yield* ahead(turns, { who: other })
      assert.isTrue(elsewhere.seen.asked)
      const next = yield* ahead(turns)
      assert.isFalse(next.seen.began)
      yield* elsewhere.answer
      yield* Fiber.join(elsewhere.fiber)
      assert.isTrue(next.seen.asked)
    }).pipe(Effect.scoped)
  )

  it.effect("and cannot be served in time is refused before it has begun", () =>
    Effect.gen(function* () {
      const turns = yield* Turns.make(limits(3))
      yield* ahead(turns)
      const late = yield* ahead(turns)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(reasonOf(yield* Fiber.join(late.fiber))._tag, "Overloaded")
      assert.isFalse(late.seen.began)
    }).pipe(Effect.scoped)
  )
})

describe("the line", () => {
  it.effect("is closed at once, whoever waits for whatever then", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const turns = yield* Scope.provide(Turns.make(limits(192, 1)), scope)
      yield* call(turns, Effect.void)
      yield* call(turns, Effect.void)
      const waits = yield* call(turns, Effect.void)
      yield* Fiber.interrupt(waits)
      // An alarm is set by whoever leaves, also while he may not be interrupted.
      yield* Scope.close(scope, Exit.void)
    })
  )
})

describe("a workspace", () => {
  it.effect("is not asked more often than its limit, and everybody is served", () =>
    Effect.gen(function* () {
      const turns = yield* Turns.make(limits(192, 35))
      const times: Array<number> = []
      const one = Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sync(() => times.push(now)))
      const all = yield* Effect.forEach(Array.from({ length: 250 }), () => call(turns, one))
      yield* TestClock.adjust("9 seconds")
      for (const fiber of all) assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
      for (const from of times) assert.isAtMost(times.filter((at) => at >= from && at < from + 1000).length, 35)
    }).pipe(Effect.scoped)
  )

  it.effect("that answers 429 is asked less, and as often as before after a while", () =>
    Effect.gen(function* () {
      const turns = yield* Turns.make(limits(192, 35))
      let answers = 0
      let isStrict = true
      const before = yield* limited
      const strict = Effect.suspend(() => {
        answers += 1
        return isStrict ? Effect.fail(tooMany) : Effect.void
      })
      const servedIn = Effect.fnUntraced(function* (seconds: number) {
        const before = answers
        const all = yield* Effect.forEach(Array.from({ length: 34 * seconds }), () => call(turns, strict))
        yield* TestClock.adjust(seconds * 1000)
        yield* Fiber.interruptAll(all)
        return answers - before
      })
      const refused = yield* servedIn(5)
      assert.isBelow(refused, 30)
      isStrict = false
      yield* TestClock.adjust("30 seconds")
      assert.isAtLeast(yield* servedIn(5), 150)
      assert.strictEqual((yield* limited) - before, refused)
    }).pipe(Effect.scoped)
  )
})
