import { assert, describe, it } from "@effect/vitest"
import * as Log from "@flyte-databricks/emulators/testing/Log"
import { Data, Effect, Fiber, Logger, Option, Schema, References } from "effect"
import { TestClock } from "effect/testing"
import * as Call from "../../src/call/Call.ts"
import type { ConnectorError } from "../../src/call/ConnectorError.ts"

class Refused extends Data.TaggedError("Refused")<{ readonly reason: { readonly _tag: string } }> {
  override get message() {
    return "Refused, because it was."
  }
}

/** Runs a call to its end, or to the end of its fiber; the answer is what it came to, and its log. */
const ran = Effect.fnUntraced(function* <A, E extends { readonly _tag: string; readonly message: string }>(
  work: Effect.Effect<A, E>,
  { deadline, after }: { readonly deadline?: number; readonly after?: number } = {}
) {
  const log = Log.make()
  const call = yield* Call.run("GetTask", Option.fromUndefinedOr(deadline), work).pipe(
    Effect.provide(Logger.layer([log.logger])),
    Effect.provideService(References.MinimumLogLevel, "Debug"),
    Effect.forkChild({ startImmediately: true })
  )
  if (after !== undefined) yield* TestClock.adjust(after)
  return { call, log }
})

const deadlineOf = (call: Fiber.Fiber<unknown, ConnectorError>) =>
  Effect.map(Effect.flip(Fiber.join(call)), ({ reason }) => reason.message)

describe("the log of a call is one line", () => {
  it.effect("with what was learnt, how long it took, and that it went well", () =>
    Effect.gen(function* () {
      const work = Effect.gen(function* () {
        yield* Call.note({ taskType: "spark", namespace: "team-a" })
        yield* Effect.sleep("250 millis")
        yield* Call.note({ runId: "5", namespace: "team-b" })
        return 7
      })
      const { call, log } = yield* ran(work, { after: 250 })
      assert.strictEqual(yield* Fiber.join(call), 7)
      assert.deepStrictEqual(log.lines(), [
        {
          message: "GetTask",
          level: "DEBUG",
          annotations: { taskType: "spark", namespace: "team-b", runId: "5", outcome: "ok", durationMs: 250 }
        }
      ])
    })
  )

  it.effect("with the error's words and its reason, as a warning", () =>
    Effect.gen(function* () {
      const { call, log } = yield* ran(new Refused({ reason: { _tag: "NotToday" } }))
      yield* Effect.flip(Fiber.join(call))
      assert.deepStrictEqual(log.lines(), [
        {
          message: "GetTask: Refused, because it was.",
          level: "WARN",
          annotations: { outcome: "NotToday", durationMs: 0 }
        }
      ])
    })
  )

  it.effect("that says who ended it, when the caller went away", () =>
    Effect.gen(function* () {
      const { call, log } = yield* ran(Effect.andThen(Call.note({ runId: "5" }), Effect.never))
      yield* Fiber.interrupt(call)
      assert.deepStrictEqual(log.lines(), [
        {
          message: "GetTask",
          level: "INFO",
          annotations: { runId: "5", outcome: "cancelled by the caller", durationMs: 0 }
        }
      ])
    })
  )

  it.effect("that is an error for what nobody thought of", () =>
    Effect.gen(function* () {
      const { call, log } = yield* ran(Effect.die(new Error("a bug")))
      yield* Effect.exit(Fiber.join(call))
      const [line, ...more] = log.lines()
      assert.deepStrictEqual(more, [])
      assert.strictEqual(line?.level, "ERROR")
      assert.deepStrictEqual(line?.annotations, { outcome: "defect", durationMs: 0 })
      assert.include(log.texts[0], "a bug")
    })
  )

  it.effect("that stays short and readable whatever a caller sent", () =>
    Effect.gen(function* () {
      const { call, log } = yield* ran(Call.note({ namespace: `${"n".repeat(299)}😀${"n".repeat(100_000)}` }))
      yield* Fiber.join(call)
      const namespace = log.lines()[0]?.annotations["namespace"]
      assert.strictEqual(namespace, `${"n".repeat(299)}…`)
    })
  )

  it.effect("that has nothing in it that looks like a secret, wherever a caller put it", () =>
    Effect.gen(function* () {
      const secret = "dapi0123456789abcdef0123456789abcdef"
      const work = Effect.andThen(
        Call.note({ namespace: secret, execution: `billing:${secret}` }),
        Call.warn({ outcome: "x", message: `a workspace says ${secret}` })
      )
      const { call, log } = yield* ran(work)
      yield* Fiber.join(call)
      const [line] = log.lines()
      assert.deepInclude(line?.annotations, { namespace: "<redacted>", execution: "billing:<redacted>" })
      assert.include(String(line?.message), "a workspace says <redacted>")
    })
  )

  it.effect("that stays short whatever went wrong, and forges no line of its own", () =>
    Effect.gen(function* () {
      const huge = `one\r\u001b[2K${"x".repeat(2_000_000)}`
      class Loud extends Data.TaggedError("Loud") {
        override get message() {
          return huge
        }
      }
      const note = Call.note({ namespace: "a\n[05:00:00] INFO: CreateTask" })
      const works = [
        Effect.andThen(note, Effect.fail(new Loud())),
        Effect.andThen(note, Effect.die(new Error(huge))),
        Effect.andThen(note, Effect.as(Call.warn({ outcome: "x", message: huge }), "answered"))
      ]
      for (const work of works) {
        const { call, log } = yield* ran<unknown, Loud>(work)
        yield* Effect.exit(Fiber.join(call))
        const [line] = log.lines()
        assert.isBelow(log.texts.join("").length, 5000)
        assert.notMatch(String(line?.message), /[\r\u001b]/)
        assert.strictEqual(line?.annotations["namespace"], "a�[05:00:00] INFO: CreateTask")
      }
    })
  )

  it.effect("of its own, also for two calls at once", () =>
    Effect.gen(function* () {
      const work = (runId: string) => Effect.andThen(Effect.sleep("1 second"), Call.note({ runId }))
      const one = yield* ran(work("1"))
      const other = yield* ran(work("2"), { after: 1000 })
      yield* Fiber.join(one.call)
      yield* Fiber.join(other.call)
      assert.deepStrictEqual(
        [one, other].map(({ log }) => log.lines().map(({ annotations }) => annotations["runId"])),
        [["1"], ["2"]]
      )
    })
  )
})

it.effect("a call that answers in spite of something is logged with that, as a warning", () =>
  Effect.gen(function* () {
    const work = Effect.as(Call.warn({ outcome: "DoorLocked", message: "The door is locked." }), "QUEUED")
    const { call, log } = yield* ran(work)
    assert.strictEqual(yield* Fiber.join(call), "QUEUED")
    assert.deepStrictEqual(log.lines(), [
      { message: "GetTask: The door is locked.", level: "WARN", annotations: { outcome: "DoorLocked", durationMs: 0 } }
    ])
  })
)

describe("a caller's deadline", () => {
  it.effect("ends the work half a second before it, and says what it waited for last", () =>
    Effect.gen(function* () {
      const work = Effect.andThen(
        Effect.void.pipe(Call.waitFor("the first thing")),
        Effect.never.pipe(Call.waitFor("the second thing"))
      )
      const { call, log } = yield* ran(work, { deadline: 10_000, after: 9499 })
      assert.strictEqual(log.lines().length, 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(
        yield* deadlineOf(call),
        "GetTask was given up after 9.5 s, the caller's deadline, while waiting for the second thing."
      )
      assert.strictEqual(log.lines()[0]?.annotations["outcome"], "DeadlinePassed")
    })
  )

  it.effect("says how the tries went until then, and what there is to say of the wait by then", () =>
    Effect.gen(function* () {
      let asked = 0
      const work = Effect.gen(function* () {
        yield* Call.setback("The door is locked.")
        yield* Call.setback("The door is still locked.")
        asked = 3
        return yield* Effect.never
      }).pipe(Call.waitFor(Effect.sync(() => `a key, asked for ${asked} times`)))
      const { call } = yield* ran(work, { deadline: 10_000, after: 9500 })
      assert.strictEqual(
        yield* deadlineOf(call),
        "GetTask was given up after 9.5 s, the caller's deadline, while waiting for a key, asked for 3 times. " +
          "2 tries failed before; the last: The door is still locked."
      )
    })
  )

  it.effect("is not what ends a part of the work that a setting bounds", () =>
    Effect.gen(function* () {
      const work = Effect.never.pipe(Call.waitFor("a key"), Call.within(2000, "FLYTE_DATABRICKS_CREATE_PATIENCE"))
      const { call } = yield* ran(work, { deadline: 10_000, after: 2000 })
      assert.strictEqual(
        yield* deadlineOf(call),
        "GetTask was given up after 2.0 s, FLYTE_DATABRICKS_CREATE_PATIENCE, while waiting for a key."
      )
    })
  )

  it.effect("is what ends it, and is named, where a setting would bound a part for longer", () =>
    Effect.gen(function* () {
      const work = Effect.never.pipe(Call.waitFor("a key"), Call.within(9500, "FLYTE_DATABRICKS_CREATE_PATIENCE"))
      const { call } = yield* ran(work, { deadline: 10_000, after: 9500 })
      assert.strictEqual(
        yield* deadlineOf(call),
        "GetTask was given up after 9.5 s, the caller's deadline, while waiting for a key."
      )
    })
  )

  it.effect("that is short gives up a tenth of itself", () =>
    Effect.gen(function* () {
      const { call } = yield* ran(Effect.never, { deadline: 1000, after: 900 })
      assert.include(yield* deadlineOf(call), "after 0.9 s")
    })
  )

  it.effect("that has passed ends the work at once, which had not got its turn", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(5000)
      const { call } = yield* ran(Effect.never, { deadline: 1000, after: 0 })
      assert.include(yield* deadlineOf(call), "after 0.0 s, the caller's deadline, while waiting for its turn")
    })
  )

  it.effect.prop(
    "always leaves time for the answer",
    { remaining: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3_600_000 })) },
    ({ remaining }) =>
      Effect.gen(function* () {
        const { call } = yield* ran(Effect.never, { deadline: remaining, after: remaining - 0.05 })
        assert.include(yield* deadlineOf(call), "the caller's deadline")
      })
  )

  it.effect("does not end work that is done in time", () =>
    Effect.gen(function* () {
      const { call } = yield* ran(Effect.as(Effect.sleep("9 seconds"), "done"), { deadline: 10_000, after: 9000 })
      assert.strictEqual(yield* Fiber.join(call), "done")
    })
  )

  it.effect("that is missing is a minute, which is the connector's own", () =>
    Effect.gen(function* () {
      const { call } = yield* ran(Effect.never, { after: 60_000 })
      assert.include(yield* deadlineOf(call), "after 60.0 s, the connector's deadline")
    })
  )

  it.effect("that ends the work interrupts it", () =>
    Effect.gen(function* () {
      let ended = false
      const work = Effect.never.pipe(Effect.onInterrupt(() => Effect.sync(() => (ended = true))))
      const { call } = yield* ran(work, { deadline: 1000, after: 900 })
      yield* deadlineOf(call)
      assert.isTrue(ended)
    })
  )
})

it.effect("outside of a call there is nothing to note, and nothing breaks", () =>
  Effect.gen(function* () {
    yield* Call.note({ runId: "5" })
    assert.strictEqual(yield* Effect.succeed(1).pipe(Call.waitFor("nothing")), 1)
  })
)
