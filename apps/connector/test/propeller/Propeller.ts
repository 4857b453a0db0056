/**
 * Flyte's side: what its executor does with a task, its failure counter included.
 *
 * - A create that fails costs an attempt, and the next one follows at once. One whose answer Flyte cannot store is
 *   repeated for the same attempt, and now and then an attempt is created twice at the same time: the last answer counts.
 * - Failed polls are counted for a run and never forgotten. At the sixth the connector is not asked again: the task
 *   hangs on its last phase, or is lost where there was none.
 * - A run that failed is deleted before the next attempt; a refusal keeps the task waiting, or loses it.
 * - The registry of connectors is read every ten seconds. One failure, and running tasks are given to somebody else.
 */
import { Clock, Duration, Effect, Result, Schedule, Schema, Semaphore } from "effect"
import type { CallFailed } from "../support/FlyteClient.ts"
import { chance } from "./dice.ts"
import type { Version } from "./Flyte.ts"
import type { Order } from "./orders.ts"
import type { Tally } from "./Tally.ts"

/** What Flyte knows of an attempt. */
interface Attempt {
  /** The runs that its creates gave: one, if the connector tells a repeated create from a new one. */
  readonly runIds: ReadonlySet<string>
  /** When the last of its creates ended, in milliseconds. */
  readonly createdAt: number
  /** The phases that it heard, in order. */
  readonly phases: ReadonlyArray<string>
  /** Whether the console got a link: one that comes without a change of phase is not shown. */
  readonly hasLink: boolean
}

/** What became of a task: the phase it ended in, or how it went astray. */
export interface Ended {
  readonly order: Order
  readonly end: string
  readonly attempts: ReadonlyArray<Attempt>
}

const maxFailedPolls = 5
const ends = ["SUCCEEDED", "FAILED", "ABORTED", "RETRYABLE_FAILED"]

const Meta = Schema.fromJsonString(Schema.Struct({ run_id: Schema.String }))
const runIdOf = (meta: Uint8Array) => Schema.decodeUnknownSync(Meta)(new TextDecoder().decode(meta)).run_id

/** Counts calls, how long they took, and what those that failed said. */
const counting =
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

/** An executor: its workers, its limits and its timers are shared by all tasks. */
export const make = Effect.fnUntraced(function* (calls: Version, tally: Tally, maxAttempts = 5) {
  const counted = counting(tally)
  const workers = yield* Semaphore.make(20)
  let nextPoll = 0
  // Ten polls a second for all tasks together.
  const turn = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const mine = Math.max(nextPoll, now)
    nextPoll = mine + 100
    yield* Effect.sleep(mine - now)
  })

  // What the last of an attempt's creates came to is what Flyte keeps; what it heard before is gone.
  const createTask = Effect.fnUntraced(function* (order: Order, attempt: number) {
    const answers: Array<Result.Result<Uint8Array, CallFailed>> = []
    const once = Effect.map(counted("create", calls.create(order, attempt)), (answer) => answers.push(answer))
    yield* Effect.replicateEffect(once, (yield* chance(0.04)) ? 2 : 1, { concurrency: "unbounded" })
    while (answers.some(Result.isSuccess) && (yield* chance(0.08))) {
      yield* tally.count("create repeated though it had succeeded")
      yield* once
    }
    const last = answers.at(-1)
    return last !== undefined && Result.isSuccess(last)
      ? answers.flatMap((answer) => (Result.isSuccess(answer) ? [answer.success] : []))
      : []
  }, workers.withPermits(1))

  const deleteTask = Effect.fnUntraced(function* (order: Order, meta: Uint8Array) {
    for (let failed = 0; failed <= calls.deletes.times; failed++) {
      const answer = yield* workers.withPermits(1)(counted("delete", calls.delete(order, meta)))
      if (Result.isSuccess(answer)) return true
      yield* Effect.sleep(calls.deletes.every)
    }
    return false
  })

  /** Polls until the run has ended, somebody aborts it, or too many polls have failed. */
  const followTask = Effect.fnUntraced(function* (order: Order, meta: Uint8Array, attempt: OpenAttempt) {
    const once = counted("get", calls.get(order, meta))
    let failed = 0
    let abortAt = Infinity
    yield* Effect.sleep("10 millis")
    while (true) {
      yield* turn
      for (const answer of yield* Effect.replicateEffect(once, (yield* chance(0.05)) ? 2 : 1, {
        concurrency: "unbounded"
      })) {
        if (Result.isSuccess(answer)) attempt.hear(answer.success)
        else if (++failed > maxFailedPolls) return attempt.phase() === undefined ? "lost" : "hung"
      }
      const phase = attempt.phase()
      if (phase !== undefined && ends.includes(phase)) return phase
      const now = yield* Clock.currentTimeMillis
      if (order.abortAfter !== undefined && phase !== undefined) {
        abortAt = Math.min(abortAt, now + Duration.toMillis(order.abortAfter))
      }
      if (now >= abortAt) return "aborted"
      yield* Effect.sleep(Math.min(30_000, abortAt - now))
    }
  })

  /** A task from its arrival to its end. */
  const runTask = Effect.fnUntraced(function* (order: Order): Effect.fn.Return<Ended> {
    const attempts: Array<OpenAttempt> = []
    yield* Effect.sleep(order.arrival)
    while (attempts.length < maxAttempts) {
      const attempt = openAttempt()
      const metas = yield* createTask(order, attempts.push(attempt) - 1)
      attempt.created(yield* Clock.currentTimeMillis, metas.map(runIdOf))
      const meta = metas.at(-1)
      if (meta === undefined) continue
      const end = yield* followTask(order, meta, attempt)
      if (end === "hung" || end === "lost") return { order, attempts, end }
      if (calls.deletesFinished && end !== "RETRYABLE_FAILED" && end !== "aborted") yield* Effect.sleep("1 hour")
      if ((calls.deletesFinished || end !== "SUCCEEDED") && !(yield* deleteTask(order, meta))) {
        return { order, attempts, end: "lost in deletion" }
      }
      if (end !== "RETRYABLE_FAILED") return { order, attempts, end }
    }
    return { order, attempts, end: "lost, attempts used up" }
  })

  return {
    runTask,
    /** Reads the registry for ever. */
    watch: counted("list", calls.list).pipe(Effect.repeat(Schedule.spaced("10 seconds")))
  }
})

interface OpenAttempt extends Attempt {
  readonly created: (at: number, runIds: ReadonlyArray<string>) => void
  readonly phase: () => string | undefined
  readonly hear: (answer: { readonly phase: string; readonly links: number }) => void
}

const openAttempt = (): OpenAttempt => {
  const phases: Array<string> = []
  const runIds = new Set<string>()
  let createdAt = 0
  let hasLink = false
  return {
    runIds,
    phases,
    get createdAt() {
      return createdAt
    },
    created: (at, ids) => {
      createdAt = at
      ids.forEach((id) => runIds.add(id))
    },
    get hasLink() {
      return hasLink
    },
    phase: () => phases.at(-1),
    hear: ({ phase, links }) => {
      if (phase === phases.at(-1)) return
      phases.push(phase)
      hasLink ||= links > 0
    }
  }
}
