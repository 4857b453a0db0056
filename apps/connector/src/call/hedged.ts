import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Call from "./Call.ts"

/**
 * Asks, and again beside that while nothing has come: when half of the call's time is over, and then after twice as
 * long, and so on. None is given up for another, as the first may be slow and may be lost. It is for what may be asked
 * more than once.
 */
export const hedged = <A, E, R>(ask: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const left = (yield* Call.endsAt) - (yield* Clock.currentTimeMillis)
    return yield* askAgain(ask, left / 2)
  })

const askAgain = <A, E, R>(ask: Effect.Effect<A, E, R>, afterMillis: number): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const first = yield* Effect.forkChild(ask)
    return yield* Fiber.await(first).pipe(
      Effect.timeoutOption(afterMillis),
      Effect.flatMap(
        Option.match({
          onNone: () => Effect.race(Fiber.join(first), askAgain(ask, 2 * afterMillis)),
          onSome: (answer) => answer
        })
      ),
      Effect.ensuring(Fiber.interrupt(first))
    )
  })
