/**
 * The record of what clients asked: bounded, in memory, never logged. It is a test tool's record and holds headers and
 * bodies as they came, secrets included.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { matches, type RequestMatch } from "./RequestMatch.ts"

/** One request as it arrived. */
export const RecordedRequest = Schema.Struct({
  method: Schema.String,
  /** The path, without the query. */
  path: Schema.String,
  /** The query as sent, without the `?`; empty when there is none. */
  query: Schema.String,
  headers: Schema.Record(Schema.String, Schema.String),
  body: Schema.String,
  /** When it arrived: milliseconds since the epoch on Effect's `Clock`. */
  time: Schema.Finite
})
export type RecordedRequest = typeof RecordedRequest.Type

/** Reads the record of requests. The admin routes under `/_emulator` are not recorded. */
export interface RequestLog {
  /** All recorded requests, oldest first, or those that match. */
  readonly all: (match?: RequestMatch) => Effect.Effect<ReadonlyArray<RecordedRequest>>
  /** How many recorded requests match. */
  readonly count: (match?: RequestMatch) => Effect.Effect<number>
  /** Waits until at least `count` (by default one) recorded requests match, and gives them. */
  readonly waitFor: (match: RequestMatch, count?: number) => Effect.Effect<ReadonlyArray<RecordedRequest>>
  readonly clear: Effect.Effect<void>
}

interface Waiter {
  readonly match: RequestMatch
  readonly count: number
  readonly done: Deferred.Deferred<ReadonlyArray<RecordedRequest>>
}

/** Makes an empty record that keeps the newest `capacity` requests. */
export const make = (capacity: number) => {
  let kept: Array<RecordedRequest> = []
  const waiters = new Set<Waiter>()
  const matching = (match: RequestMatch) => kept.filter((request) => matches(match, request))

  const log: RequestLog = {
    all: (match = {}) => Effect.sync(() => matching(match)),
    count: (match = {}) => Effect.sync(() => matching(match).length),
    waitFor: (match, count = 1) =>
      Effect.suspend(() => {
        const found = matching(match)
        if (found.length >= count) return Effect.succeed(found)
        const waiter: Waiter = { match, count, done: Deferred.makeUnsafe() }
        waiters.add(waiter)
        return Deferred.await(waiter.done).pipe(Effect.ensuring(Effect.sync(() => waiters.delete(waiter))))
      }),
    clear: Effect.sync(() => {
      kept = []
    })
  }

  const record = Effect.fnUntraced(function* (request: Omit<RecordedRequest, "time">) {
    const recorded = { ...request, time: yield* Clock.currentTimeMillis }
    kept.push(recorded)
    if (kept.length > capacity) kept.shift()
    for (const waiter of waiters) {
      const found = matching(waiter.match)
      if (found.length >= waiter.count) Deferred.doneUnsafe(waiter.done, Effect.succeed(found))
    }
    return recorded
  })

  return { log, record }
}
