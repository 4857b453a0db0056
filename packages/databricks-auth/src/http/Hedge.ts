/**
 * A second request beside the first, for what may be asked more than once: the first may be slow and may be lost.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Watched from "./Watched.ts"

/**
 * Asks, and again beside that while nothing has come: after this time, and then after twice as long, and so on. None is
 * given up for another; the first success counts, or the failure of all.
 */
export const hedged = <A, E, R>(ask: Effect.Effect<A, E, R>, afterMillis: number): Effect.Effect<A, E, R> =>
  Effect.withFiber((parent: Watched.Parent) =>
    Effect.callback<A, E, R>((resume) => {
      const asked = new Set<Fiber.Fiber<A, E>>()
      let isOver = false
      const giveUp = Effect.suspend(() => {
        isOver = true
        return Fiber.interruptAll(asked)
      })
      let failure: Cause.Cause<E> | undefined
      const askOnce = (after: number): void => {
        const fiber = Watched.begin(parent, ask)
        asked.add(fiber)
        // One that was given up may take its time to end.
        const again = () => (isOver ? undefined : askOnce(2 * after))
        Watched.watch(parent, fiber, after, again, (exit) => {
          asked.delete(fiber)
          if (Exit.isSuccess(exit)) return resume(asked.size === 0 ? exit : Effect.as(giveUp, exit.value))
          failure = failure === undefined ? exit.cause : Cause.combine(failure, exit.cause)
          if (asked.size === 0) resume(Effect.failCause(failure))
        })
      }
      askOnce(afterMillis)
      return giveUp
    })
  )
