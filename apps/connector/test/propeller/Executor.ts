/**
 * Flyte's side: what propeller of Flyte 1 and the executor of Flyte 2 do with a task. Both look at it every ten seconds,
 * and at once where something changed:
 *
 * - What a create gave is stored when the control plane has taken the event. Until then the same attempt is created
 *   again; so it is where an old copy of the task is looked at. The first run is polled, the last is stored.
 * - A create that fails costs an attempt, and the next one follows at once.
 * - Phases come from polls (`Resync`). Whatever a poll says is stored, also a phase that is lower than the one before.
 * - A run that failed is deleted before the next attempt.
 * - What is stored outlives the executor; what it remembers does not.
 */
import { Clock, Deferred, Duration, Effect, Exit, Latch, Result, Schedule, Schema, Scope, Semaphore } from "effect"
import type { CallFailed } from "../support/FlyteClient.ts"
import * as Console from "./Console.ts"
import { chance } from "./dice.ts"
import type { Version } from "./Flyte.ts"
import { type Habits, habits } from "./habits.ts"
import type { Order } from "./orders.ts"
import * as Resync from "./Resync.ts"
import * as Tally from "./Tally.ts"
import { arrived, attemptOf, type Ended, keyOf, openAttempt, store, type Task } from "./Task.ts"

/** What follows from a look at a task: the next look, nothing as long as the executor lives, or the end. */
type Next = Duration.Duration | "nothing" | { readonly end: string }

/** One life of an executor. */
interface Life {
  readonly runs: Resync.Resync
  readonly scope: Scope.Closeable
  readonly over: Deferred.Deferred<void>
}

const Meta = Schema.fromJsonString(Schema.Struct({ run_id: Schema.String }))
const runIdOf = (meta: Uint8Array) => Schema.decodeUnknownSync(Meta)(new TextDecoder().decode(meta)).run_id

const aLook = Duration.seconds(10)
const atOnce = Duration.millis(10)

/** Starts an executor: its workers, its limits and its timers are shared by all tasks. */
export const make = Effect.fnUntraced(function* (calls: Version, tally: Tally.Tally, settings: Partial<Habits>) {
  const mine = { ...habits, ...settings }
  const counted = Tally.counting(tally)
  const whole = yield* Effect.scope
  const workers = yield* Semaphore.make(20)
  const console = calls.console(mine.refusedEvents)
  const isUp = yield* Latch.make(true)
  // What connectors offered when they were asked last.
  let isOffered = true

  const begin = Effect.gen(function* () {
    const scope = yield* Scope.fork(whole)
    const runs = yield* Scope.provide(Resync.make(mine.resyncEvery, mine.doublePolls), scope)
    return { scope, runs, over: yield* Deferred.make<void>() } satisfies Life
  })
  let life: Life = yield* begin

  const tell = (task: Task, phase: string, version = 0, links = 0) =>
    Effect.tap(console.tell({ attempt: keyOf(task), phase, version, links }), (isTaken) =>
      isTaken ? Effect.void : tally.count("event refused")
    )

  const follow = (task: Task, meta: Uint8Array) =>
    life.runs
      .getOrCreate(
        keyOf(task),
        meta,
        task.failedPolls,
        Effect.map(counted("get", calls.get(task.order, meta)), Result.getSuccess)
      )
      .pipe(Effect.tap((run) => Effect.sync(() => attemptOf(task).runIds.add(runIdOf(run.meta)))))

  const anotherAttempt = Effect.fnUntraced(function* (task: Task, end: string) {
    yield* life.runs.remove(keyOf(task))
    if (task.attempts.length >= mine.attempts) return { end }
    openAttempt(task, console)
    return calls.nextAttemptAfter
  })

  const launch = Effect.fnUntraced(function* (task: Task): Effect.fn.Return<Next> {
    const retry = task.attempts.length - 1
    const create = workers.withPermits(1)(counted("create", calls.create(task.order, retry)))
    const looks = (yield* chance(mine.doubleCreates)) ? 2 : 1
    const answers: Array<Result.Result<Uint8Array, CallFailed>> = yield* Effect.replicateEffect(create, looks, {
      concurrency: "unbounded"
    })
    while (answers.some(Result.isSuccess) && (yield* chance(mine.staleCopies))) answers.push(yield* create)
    attemptOf(task).createdAt = yield* Clock.currentTimeMillis
    // The first is polled, the last is stored.
    for (const answer of answers) if (Result.isSuccess(answer)) yield* follow(task, answer.success)
    const last = answers.at(-1)
    if (last === undefined || Result.isFailure(last)) {
      if (!(yield* tell(task, "RETRYABLE_FAILED"))) return calls.refusedAgainAfter
      return yield* anotherAttempt(task, "lost, attempts used up")
    }
    if (!(yield* tell(task, "QUEUED", 2))) return calls.refusedAgainAfter
    task.meta = last.success
    store(task, "QUEUED", 2)
    return atOnce
  })

  const deleteRun = Effect.fnUntraced(function* ({ order, meta }: Task, times = calls.deletes.times) {
    if (meta === undefined) return true
    for (let failed = 0; failed <= times; failed++) {
      if (Result.isSuccess(yield* workers.withPermits(1)(counted("delete", calls.delete(order, meta))))) return true
      yield* Effect.sleep(calls.deletes.every)
    }
    return false
  })

  const finish = Effect.fnUntraced(function* (task: Task, phase: string): Effect.fn.Return<Next> {
    if (phase === "RETRYABLE_FAILED") {
      const isDeleted = yield* deleteRun(task, calls.retryWaitsForDelete ? calls.deletes.times : 0)
      if (!isDeleted && calls.retryWaitsForDelete) return { end: "lost in deletion" }
      return yield* anotherAttempt(task, "RETRYABLE_FAILED")
    }
    yield* life.runs.remove(keyOf(task))
    if (calls.deletesFinished) yield* Effect.sleep(mine.keepsFinished)
    else if (phase === "SUCCEEDED") return { end: phase }
    return (yield* deleteRun(task)) ? { end: phase } : { end: "lost in deletion" }
  })

  const monitor = Effect.fnUntraced(function* (task: Task, meta: Uint8Array): Effect.fn.Return<Next> {
    const run = yield* follow(task, meta)
    if (calls.storesFailedPolls) task.failedPolls = run.failedPolls
    if (run.answer === undefined) {
      if (run.isGivenUp) return (yield* tell(task, "FAILED")) ? { end: "lost" } : calls.refusedAgainAfter
      return aLook
    }
    const { phase, links } = run.answer
    if (phase !== task.phase || task.version !== 0) {
      if (!(yield* tell(task, phase, 0, links))) return calls.refusedAgainAfter
      const isChange = phase !== task.phase
      store(task, phase)
      if (Console.ends.includes(phase)) return yield* finish(task, phase)
      if (isChange) return atOnce
    }
    return run.isGivenUp ? "nothing" : aLook
  })

  const abort = Effect.fnUntraced(function* (task: Task): Effect.fn.Return<Next> {
    return { end: (yield* deleteRun(task)) ? "aborted" : "lost in deletion" }
  })

  const look = Effect.fnUntraced(function* (task: Task): Effect.fn.Return<Next> {
    const { abortAfter } = task.order
    const now = yield* Clock.currentTimeMillis
    // Counted from the first phase that a connector gave.
    if (abortAfter !== undefined && task.version === 0 && task.phase !== undefined) {
      task.abortAt = Math.min(task.abortAt, now + Duration.toMillis(abortAfter))
    }
    if (now >= task.abortAt) return yield* abort(task)
    if (task.phase !== undefined && Console.ends.includes(task.phase)) return yield* finish(task, task.phase)
    // Somebody else gets the task, and cannot make sense of it.
    if (!calls.isListed && !isOffered) return { end: "lost to another plugin" }
    return yield* task.meta === undefined ? launch(task) : monitor(task, task.meta)
  })

  /** A task from its arrival to its end. */
  const runTask = Effect.fnUntraced(function* (order: Order): Effect.fn.Return<Ended> {
    const task = arrived(order, console)
    yield* Effect.sleep(order.arrival)
    while (true) {
      yield* isUp.await
      const killed = Effect.as(Deferred.await(life.over), atOnce)
      const next = yield* Effect.raceFirst(look(task), killed)
      const ended = (end: string): Ended => ({ order, attempts: task.attempts, end })
      if (next !== "nothing" && !Duration.isDuration(next)) return ended(next.end)
      const now = yield* Clock.currentTimeMillis
      const wait = Duration.toMillis(next === "nothing" ? mine.hangsAfter : next)
      const untilAbort = Math.max(0, task.abortAt - now)
      const isAlive = Effect.as(Effect.sleep(Math.min(wait, untilAbort)), true)
      if ((yield* Effect.raceFirst(isAlive, Effect.as(killed, false))) && next === "nothing" && wait < untilAbort) {
        return ended("hung")
      }
    }
  })

  return {
    runTask,
    /** Reads the registry for ever. */
    watch: counted("list", calls.list).pipe(
      Effect.map((answer) => {
        isOffered = Result.isSuccess(answer) && answer.success.includes("databricks")
      }),
      Effect.repeat(Schedule.spaced("10 seconds"))
    ),
    /** It is killed, and another one starts after that long. */
    restart: Effect.fnUntraced(function* (after: Duration.Input) {
      yield* isUp.close
      yield* Deferred.succeed(life.over, undefined)
      yield* Scope.close(life.scope, Exit.void)
      yield* console.forget
      yield* Effect.sleep(after)
      life = yield* begin
      yield* isUp.open
    })
  }
})
