/**
 * Work that is watched by a clock. Effect's `timeout` and `race` do the same with two fibers and some thirty steps, and a
 * call has several limits, of which hardly any is met.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Alarms from "./Alarms.ts"

/** Who asks for the work. */
export type Parent = Fiber.Fiber<unknown, unknown>

/** Begins the work, which whoever begins it has to end. */
export const begin = <A, E, R>(parent: Parent, work: Effect.Effect<A, E, R>): Fiber.Fiber<A, E> =>
  // Who asks for the work has what it needs.
  Effect.runForkWith(parent.context as Context.Context<R>)(work)

/** Says when the work takes longer than so many milliseconds, and how it ended. */
export const watch = <A, E>(
  parent: Parent,
  work: Fiber.Fiber<A, E>,
  millis: number,
  takesLong: () => void,
  ended: (exit: Exit.Exit<A, E>) => void
): void => {
  const exit = work.pollUnsafe()
  if (exit !== undefined) return ended(exit)
  const turnOff = Alarms.set(parent, millis, takesLong)
  work.addObserver((exit) => {
    turnOff()
    ended(exit)
  })
}

/** Ends the work when it has taken so many milliseconds, and then does this in its place. */
export const within = <A, E, R, B, E2, R2>(
  work: Effect.Effect<A, E, R>,
  millis: number,
  orElse: Effect.Effect<B, E2, R2>
): Effect.Effect<A | B, E | E2, R | R2> =>
  Effect.withFiber((parent: Parent) =>
    Effect.callback<A | B, E | E2, R | R2>((resume) => {
      const fiber = begin(parent, work)
      let isLate = false
      const end = () => {
        isLate = true
        fiber.interruptUnsafe(parent.id)
      }
      watch(parent, fiber, millis, end, (exit) => resume(isLate ? orElse : exit))
      return Fiber.interrupt(fiber)
    })
  )
