/**
 * Submits, and the runs that Flyte may not know. A create can be over for Flyte while Databricks takes the job all the
 * same: the deadline came first, the connection broke, the answer was lost. Flyte then makes another attempt, and nobody
 * follows this one's run. So a submit outlives the call that began it, and its run is held until
 *
 * - the same attempt is created again, which gets that run;
 * - Flyte asks for the run, and so knows it;
 * - the task's next attempt is created, which supersedes it: it is cancelled;
 * - a while has passed in which no create was answered with it: it is cancelled too.
 *
 * All of it is in memory. What a crash or another replica makes impossible is in docs/deadlines.md.
 */
import type { JobsClient, RunId } from "@flyte-databricks/databricks-jobs"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Turns from "../admission/Turns.ts"
import { Audit } from "../audit/Audit.ts"
import * as Decisions from "../audit/decisions.ts"
import * as Call from "../call/Call.ts"
import type { Failure } from "../call/ConnectorError.ts"
import { holdOut, isTransient, leavesDoubt } from "../call/Faults.ts"
import { hedged } from "../call/hedged.ts"
import * as IdempotencyToken from "../IdempotencyToken.ts"
import type { Attempt } from "../IdempotencyToken.ts"
import * as Disowned from "./Disowned.ts"
import * as Kept from "./Kept.ts"
import { keyOf, type RunKey } from "./LastReports.ts"
import { MetadataKey } from "./MetadataKey.ts"
import { type Fate, type Order, type Submission, SubmissionTimes } from "./Submission.ts"
import * as UnknownRuns from "./UnknownRuns.ts"

export interface Submissions {
  /** Starts the attempt's run, or gives the one that it has. */
  readonly submit: (order: Order) => Effect.Effect<RunId.RunId, Failure>
  /** Whether a run of this task is held. */
  readonly holds: (attempt: Attempt) => boolean
  /** Flyte asks for this run. */
  readonly known: (run: RunKey) => void
}

/** Of how many runs is remembered that their submit was recorded. The same attempt is created again within seconds. */
const mostRecorded: Kept.Most = { entries: 10_000, characters: 2 * 1024 * 1024 }

/** Makes the one way to submit. When the scope closes, what is under way is finished first. */
export const make = Effect.fnUntraced(function* (
  jobs: JobsClient.JobsClient["Service"]
): Effect.fn.Return<Submissions, never, Audit | MetadataKey | Turns.Turns | Scope.Scope> {
  const times = yield* SubmissionTimes
  const turns = yield* Turns.Turns
  const key = yield* MetadataKey
  const audit = yield* Audit
  const recorded = Kept.make<RunKey, true>(mostRecorded)
  const disown = yield* Disowned.make(jobs)
  const lives = yield* FiberSet.make()
  // After an outage there may be many in doubt, and those who wait need Databricks too.
  const few = yield* Semaphore.make(8)
  const inBackground = yield* FiberSet.runtime(lives)<never>()

  /** Once it has both, a run and a bad end, the run is cancelled. It stays held: its token would give that run again. */
  const settle = (submission: Submission): void => {
    const { fate, runId } = submission
    if (runId === undefined || fate === undefined || fate === "known") return
    inBackground(disown({ ...submission, runId }, fate))
  }

  const decide = (submission: Submission, fate: Fate): boolean => {
    if (submission.fate !== undefined) return false
    submission.fate = fate
    Deferred.doneUnsafe(submission.decided, Exit.void)
    settle(submission)
    return true
  }

  const held = UnknownRuns.make<Submission>((submission) => decide(submission, "known"))

  // The same token gives the same run, whatever became of a request whose answer was lost.
  const live = Effect.fnUntraced(function* (submission: Submission, { credential, header, body }: Order) {
    const endsAt = yield* Call.endsAt
    const token = yield* key.digest(IdempotencyToken.textOf(submission.attempt, submission.cancelled))
    const subject = { ...submission, identity: credential.identity }
    let requestId: string | undefined
    const onRequestId = (id: string) => (requestId = id)
    // Tries of one submit are one intention.
    let isIntended = false
    const intend = Effect.suspend(() =>
      isIntended
        ? Effect.void
        : Effect.map(
            audit.recordFirst(() => Decisions.runIntended(subject, token)),
            () => (isIntended = true)
          )
    )
    // Another submit of the attempt may have found the same run.
    const submitted = (runId: RunId.RunId) =>
      Effect.suspend(() => {
        const run = keyOf({ instance: credential.identity.instance, runId })
        if (recorded.get(run)) return Effect.void
        recorded.set(run, true, run.length)
        return audit.record(() => Decisions.runSubmitted(subject, token, runId, requestId))
      })
    const ask = jobs.submit(credential, body, token, { header, onRequestId }).pipe(
      Effect.tap((runId) => Effect.sync(() => held.started(submission, runId))),
      Effect.tapError((failure) =>
        Effect.sync(() => {
          submission.isInDoubt ||= leavesDoubt(failure)
        })
      )
    )
    // There may be a run: turned away now, its create would be made again on another replica, and this one not know of it.
    const inTurn = <A, E extends Failure, R>(submit: Effect.Effect<A, E, R>) =>
      submission.isInDoubt ? submit : turns.take("submit", credential)(submit)
    const exit = yield* Effect.suspend(() =>
      submission.waiting > 0 ? inTurn(Effect.andThen(intend, hedged(ask))) : Effect.interrupt
    ).pipe(
      holdOut(() => (submission.isInDoubt ? endsAt : submission.patientUntil)),
      Effect.exit
    )
    if (Exit.isSuccess(exit)) yield* submitted(exit.value)
    else submission.state = "failed"
    Deferred.doneUnsafe(submission.answer, exit)
    if (Exit.isSuccess(exit)) return exit.value
    if (!submission.isInDoubt) {
      yield* audit.record(() => Decisions.runRefused(subject, exit.cause, token))
      return undefined
    }
    // Where there may be a run it is asked for on: it has to be cancelled.
    return yield* ask.pipe(
      turns.take("submit", credential),
      few.withPermits(1),
      Effect.retry({ while: isTransient, schedule: unhurried(times.doubt) }),
      Effect.tap(submitted),
      Effect.catch((failure) =>
        Disowned.inDoubt(submission, failure).pipe(
          Effect.andThen(audit.record(() => Decisions.runUnknown(subject, failure, token))),
          Effect.as(undefined)
        )
      ),
      Call.outside
    )
  })

  const isUnclaimed = ({ waiting, state }: Submission) => waiting === 0 && state !== "told"

  const expire = (submission: Submission) =>
    Deferred.await(submission.decided).pipe(
      Effect.timeoutOrElse({
        duration: times.grace,
        orElse: () => Effect.sync(() => isUnclaimed(submission) && decide(submission, "unclaimed"))
      })
    )

  const begin = (submission: Submission, order: Order) =>
    FiberSet.run(
      lives,
      live(submission, order).pipe(
        Effect.map((runId) => {
          if (runId === undefined) return held.remove(submission)
          submission.runId = runId
          return settle(submission)
        }),
        Effect.interruptible
      )
    )

  const isJoinable = ({ state, fate }: Submission) => state !== "failed" && fate === undefined

  const open = (order: Order, before: Submission | undefined): Submission => {
    // One that failed is in doubt: what it finds is this one's run too. The run of any other is cancelled.
    const isCancelled = before !== undefined && !decide(before, "known")
    if (before !== undefined) held.remove(before)
    const submission: Submission = {
      attempt: order.attempt,
      credential: order.credential,
      onBehalfOf: order.onBehalfOf,
      answer: Deferred.makeUnsafe(),
      decided: Deferred.makeUnsafe(),
      fate: undefined,
      runId: undefined,
      cancelled: (before?.cancelled ?? 0) + (isCancelled ? 1 : 0),
      waiting: 0,
      patientUntil: 0,
      state: "asked",
      isInDoubt: false
    }
    held.add(submission)
    return submission
  }

  const submit = (order: Order) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        for (const earlier of held.before(order.attempt)) decide(earlier, "superseded")
        const found = held.same(order)
        const isNew = found === undefined || !isJoinable(found)
        const submission = isNew ? open(order, found) : found
        submission.waiting += 1
        submission.patientUntil = Math.max(submission.patientUntil, order.patientUntil)
        const answered = Effect.onExit(restore(Deferred.await(submission.answer)), (exit) => {
          submission.waiting -= 1
          if (Exit.isSuccess(exit)) submission.state = "told"
          return isUnclaimed(submission) ? FiberSet.run(lives, Effect.interruptible(expire(submission))) : Effect.void
        })
        return isNew ? Effect.andThen(begin(submission, order), answered) : answered
      })
    )

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      for (const submission of held.all()) decide(submission, submission.state === "told" ? "known" : "unclaimed")
      return FiberSet.awaitEmpty(lives)
    }).pipe(
      Effect.interruptible,
      Effect.timeoutOrElse({
        duration: times.end,
        orElse: () =>
          Effect.logWarning(
            "Submits or cancels were still under way at the end: runs may be left that Flyte does not know"
          )
      })
    )
  )

  return {
    submit,
    holds: held.holds,
    known: (run) => {
      const submission = held.ofRun(run)
      if (submission !== undefined && decide(submission, "known")) held.remove(submission)
    }
  }
})

const unhurried = (lasting: Duration.Input) =>
  Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("15 seconds")]).pipe(
    Schedule.jittered,
    Schedule.setInputType<Failure>(),
    Schedule.upTo({ duration: lasting })
  )
