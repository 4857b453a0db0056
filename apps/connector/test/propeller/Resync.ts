/**
 * The cache of runs in an executor's memory. A run that is added is polled at once, and every thirty seconds by default after
 * that: ten runs at a time, ten a second. Failed polls are counted and never forgotten; at the sixth the run is given up: the
 * connector is not asked again, and the last answer stands for ever.
 */
import { Clock, type Duration, Effect, Option, Semaphore } from "effect"
import { chance } from "./dice.ts"
import { ends } from "./Console.ts"

/** What the connector said of a run. */
export interface Answer {
  readonly phase: string
  readonly links: number
}

/** A run that is followed. */
export interface Item {
  readonly meta: Uint8Array
  answer: Answer | undefined
  failedPolls: number
  isGivenUp: boolean
}

interface Entry extends Item {
  readonly poll: Effect.Effect<Option.Option<Answer>>
  isQueued: boolean
}

const maxFailedPolls = 5

/** Limits how often polls begin. */
const pace = () => {
  let next = 0
  return Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const mine = Math.max(next, now)
    next = mine + 100
    yield* Effect.sleep(mine - now)
  })
}

/** Starts an empty one; polling ends with the scope. Now and then a run is polled twice at once. */
export const make = Effect.fnUntraced(function* (every: Duration.Input, doubled: number) {
  const scope = yield* Effect.scope
  const entries = new Map<string, Entry>()
  const workers = yield* Semaphore.make(10)
  const turn = pace()

  const isOver = ({ answer, isGivenUp }: Entry) => isGivenUp || ends.includes(answer?.phase ?? "")

  const sync = Effect.fnUntraced(function* (entry: Entry) {
    if (isOver(entry)) return
    if (entry.failedPolls > maxFailedPolls) {
      entry.isGivenUp = true
      return
    }
    const times = (yield* chance(doubled)) ? 2 : 1
    for (const answer of yield* Effect.replicateEffect(entry.poll, times, { concurrency: "unbounded" })) {
      if (Option.isSome(answer)) entry.answer = answer.value
      else entry.failedPolls++
    }
  })

  const enqueue = (entry: Entry) => {
    entry.isQueued = true
    return Effect.andThen(turn, workers.withPermits(1)(sync(entry))).pipe(
      Effect.ensuring(Effect.sync(() => (entry.isQueued = false))),
      Effect.forkIn(scope)
    )
  }

  yield* Effect.suspend(() =>
    Effect.forEach(
      [...entries.values()].filter((entry) => !entry.isQueued && !isOver(entry)),
      enqueue
    )
  ).pipe(Effect.delay(every), Effect.forever, Effect.forkIn(scope))

  return {
    /** The run that is followed under this key: the first that was added. */
    getOrCreate: Effect.fnUntraced(function* (
      key: string,
      meta: Uint8Array,
      failedPolls: number,
      poll: Effect.Effect<Option.Option<Answer>>
    ): Effect.fn.Return<Item> {
      const found = entries.get(key)
      if (found !== undefined) return found
      const entry: Entry = { meta, failedPolls, poll, answer: undefined, isGivenUp: false, isQueued: false }
      entries.set(key, entry)
      yield* enqueue(entry)
      return entry
    }),
    remove: (key: string) => Effect.sync(() => entries.delete(key))
  }
})

export type Resync = Effect.Success<ReturnType<typeof make>>
