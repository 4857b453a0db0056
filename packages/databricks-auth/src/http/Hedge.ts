/**
 * A second request beside the first, for what may be asked more than once: the first may be slow and may be lost.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"

/**
 * Asks, and again beside that while nothing has come: after this time, and then after twice as long, and so on. None is
 * given up for another; the first success counts, or the failure of all.
 */
export const hedged = <A, E, R>(ask: Effect.Effect<A, E, R>, afterMillis: number): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const first = yield* Effect.forkChild(ask, { startImmediately: true })
    return yield* Fiber.await(first).pipe(
      Effect.timeoutOption(afterMillis),
      Effect.flatMap(
        Option.match({
          onNone: () => Effect.race(Fiber.join(first), hedged(ask, 2 * afterMillis)),
          onSome: (answer) => answer
        })
      ),
      Effect.ensuring(Fiber.interrupt(first))
    )
  })
