/** Counts what happened, by name. */
import { Clock, Effect, Result } from "effect"
import type { CallFailed } from "../support/FlyteClient.ts"

export const make = () => {
  const counts = new Map<string, number>()
  return {
    /** One more of these. */
    count: (name: string) => Effect.sync(() => void counts.set(name, (counts.get(name) ?? 0) + 1)),
    get: (name: string) => counts.get(name) ?? 0,
    /** All counts whose name begins so. */
    sum: (prefix: string) =>
      [...counts].reduce((sum, [name, count]) => (name.startsWith(prefix) ? sum + count : sum), 0),
    /** A line for each count. */
    lines: () =>
      [...counts]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, count]) => `${String(count).padStart(8)}  ${name}`)
  }
}

export type Tally = ReturnType<typeof make>

/** Counts calls, how long they took, and what those that failed said. */
export const counting =
  (tally: Tally) =>
  <A>(name: string, call: Effect.Effect<A, CallFailed>) =>
    Effect.gen(function* () {
      const start = yield* Clock.currentTimeMillis
      const result = yield* Effect.result(call)
      const seconds = Math.ceil(((yield* Clock.currentTimeMillis) - start) / 1000)
      yield* tally.count(`${name} calls`)
      yield* tally.count(`${name} took up to ${String(seconds).padStart(2)} s`)
      if (Result.isFailure(result)) {
        const { code, details } = result.failure
        yield* tally.count(`${name} failed: ${code} ${details.replaceAll(/\d+/g, "#").slice(0, 120)}`)
      }
      return result
    })
