/** Counts what happened, by name. */
import { Effect } from "effect"

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
