/** Draws from Effect's `Random`, which a simulation seeds. */
import { Effect, Random } from "effect"

export const chance = (probability: number): Effect.Effect<boolean> =>
  Effect.map(Random.next, (drawn) => drawn < probability)

/** One of a list, which is not empty. */
export const one = <A>(list: ReadonlyArray<A>): Effect.Effect<A> => Effect.orDie(Random.choice(list))
