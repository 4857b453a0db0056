import * as Hedge from "@flyte-databricks/databricks-auth/http/Hedge"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Call from "./Call.ts"

/**
 * Asks, and again beside that while nothing has come: first when half of the call's time is over.
 */
export const hedged = <A, E, R>(ask: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const left = Call.boundsOf(fiber).endsAt - fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
    return Hedge.hedged(ask, left / 2)
  })
