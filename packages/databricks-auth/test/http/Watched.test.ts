/** Work that is watched by a clock ends as Effect's own timeout has it. */
import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Cause, Clock, Context, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Watched from "../../src/http/Watched.ts"

const millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 }))
const Work = Schema.Struct({
  takes: millis,
  ends: Schema.Literals(["succeeds", "fails", "dies", "interrupts itself", "never"]),
  /** What it does when it is interrupted takes its time too. */
  cleansFor: millis
})

const work = ({ takes, ends, cleansFor }: typeof Work.Type): Effect.Effect<string, string> => {
  const ending = {
    succeeds: Effect.succeed("done"),
    fails: Effect.fail("failed"),
    dies: Effect.die("defect"),
    "interrupts itself": Effect.interrupt,
    never: Effect.never
  }[ends]
  const before = takes === 0 ? Effect.void : Effect.sleep(takes)
  return Effect.andThen(before, ending).pipe(Effect.onInterrupt(() => Effect.sleep(cleansFor)))
}

/** How it ends, and when; after a while it is interrupted from outside. */
const ended = Effect.fnUntraced(function* (effect: Effect.Effect<string, string>, interruptedAt: number) {
  // Until it is first moved, the clock itself lets a finalizer that sleeps be interrupted.
  yield* TestClock.adjust(0)
  const start = yield* Clock.currentTimeMillis
  const fiber = yield* Effect.forkChild(
    Effect.onExit(effect, () => Effect.void),
    { startImmediately: true }
  )
  const exit = yield* Effect.forkChild(
    Effect.flatMap(Fiber.await(fiber), (exit) =>
      Effect.map(Clock.currentTimeMillis, (at) => ({ exit, at: at - start }))
    ),
    { startImmediately: true }
  )
  yield* TestClock.adjust(interruptedAt)
  yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
  yield* TestClock.adjust(200)
  return yield* Fiber.join(exit)
})

const shown = (exit: Exit.Exit<string, string>) =>
  Exit.isSuccess(exit)
    ? exit.value
    : exit.cause.reasons.map((reason) => (Cause.isFailReason(reason) ? reason.error : reason._tag))

describe("work within a time", () => {
  it.effect.prop(
    "ends with what, and when, Effect's own timeout says",
    { work: Work, limit: millis, interruptedAt: millis },
    ({ work: description, limit, interruptedAt }) =>
      Effect.gen(function* () {
        const late = Effect.succeed("late")
        const ours = yield* ended(Watched.within(work(description), limit, late), interruptedAt)
        const effects = yield* ended(
          Effect.timeoutOrElse(work(description), { duration: limit, orElse: () => late }),
          interruptedAt
        )
        assertEquals([shown(ours.exit), ours.at], [shown(effects.exit), effects.at])
      }),
    { arbitrary: { runs: 300 } }
  )

  it.effect("has what its surroundings have, and so has what is done in its place", () =>
    Effect.gen(function* () {
      const Name = Context.Reference<string>("test/Name", { defaultValue: () => "nobody" })
      const within = (takes: number) =>
        Watched.within(Effect.andThen(Effect.sleep(takes), Name), 10, Name).pipe(Effect.provideService(Name, "ann"))
      const both = yield* Effect.forkChild(Effect.all([within(5), within(20)]))
      yield* TestClock.adjust(100)
      assertEquals(yield* Fiber.join(both), ["ann", "ann"])
    })
  )
})
