/**
 * The attempts whose runs Flyte may not know, by task, by attempt and by run; bounded, in memory.
 */
import type { Credential } from "@flyte-databricks/databricks-auth"
import type { RunId } from "@flyte-databricks/databricks-jobs"
import * as Equal from "effect/Equal"
import * as Redacted from "effect/Redacted"
import type { OnBehalfOf } from "../audit/decisions.ts"
import { type Attempt, taskKey } from "../IdempotencyToken.ts"
import * as Kept from "./Kept.ts"
import { keyOf, type RunKey } from "./LastReports.ts"

/** An attempt, and who its run belongs to. */
export interface Held {
  readonly attempt: Attempt
  readonly credential: Credential.Credential
  /** For whom, as audit events say it. */
  readonly onBehalfOf?: OnBehalfOf | undefined
}

/** What is held, found by what Flyte asks. */
export interface UnknownRuns<H extends Held> {
  readonly add: (held: H) => void
  readonly remove: (held: H) => void
  /** The run of one that is held has this id. */
  readonly started: (held: H, runId: RunId.RunId) => void
  /** The attempt, as the same credential: what was submitted as another is another's. */
  readonly same: (held: Held) => H | undefined
  /** Whether any attempt at the same task is held. */
  readonly holds: (attempt: Attempt) => boolean
  /** Earlier attempts at the same task. */
  readonly before: (attempt: Attempt) => ReadonlyArray<H>
  readonly ofRun: (run: RunKey) => H | undefined
  readonly all: () => ReadonlyArray<H>
}

const isSame = (one: Held, other: Held): boolean =>
  one.attempt.retryAttempt === other.attempt.retryAttempt &&
  one.credential.identity.key === other.credential.identity.key &&
  Equal.equals(one.credential.storedToken, other.credential.storedToken)

/** How much is held. Names of executions and nodes are what a caller makes them. */
export const most: Kept.Most = { entries: 5000, characters: 4 * 1024 * 1024 }

const charactersOf = (all: ReadonlyArray<Held>): number =>
  all.reduce((sum, { attempt, credential, onBehalfOf = {} }) => {
    const { identity, storedToken } = credential
    const token = storedToken === undefined ? 0 : Redacted.value(storedToken).length
    return sum + Kept.charactersOf(attempt) + Kept.charactersOf(onBehalfOf) + identity.key.length + token
  }, 0)

/**
 * Holds the attempts at tasks. The oldest are let go first, and `letGo` hears of it.
 */
export const make = <H extends Held>(letGo: (held: H) => void, limits: Kept.Most = most): UnknownRuns<H> => {
  const runs = new Map<RunKey, H>()
  const runOf = new Map<H, RunKey>()
  const forgetRun = (held: H) => {
    const run = runOf.get(held)
    if (run !== undefined) runs.delete(run)
    runOf.delete(held)
  }
  const tasks = Kept.make<string, ReadonlyArray<H>>(limits, (oldest) => {
    for (const one of oldest) {
      forgetRun(one)
      letGo(one)
    }
  })

  const of = (attempt: Attempt) => tasks.get(taskKey(attempt)) ?? []
  const hold = (attempt: Attempt, all: ReadonlyArray<H>) => {
    const key = taskKey(attempt)
    tasks.set(key, all, key.length + charactersOf(all))
  }
  return {
    add: (held) => hold(held.attempt, [...of(held.attempt), held]),
    remove: (held) => {
      forgetRun(held)
      const others = of(held.attempt).filter((other) => other !== held)
      if (others.length === 0) tasks.delete(taskKey(held.attempt))
      else hold(held.attempt, others)
    },
    started: (held, runId) => {
      if (!of(held.attempt).includes(held)) return
      const run = keyOf({ instance: held.credential.identity.instance, runId })
      runs.set(run, held)
      runOf.set(held, run)
    },
    same: (held) => of(held.attempt).find((other) => isSame(held, other)),
    holds: (attempt) => of(attempt).length > 0,
    before: (attempt) => of(attempt).filter((held) => held.attempt.retryAttempt < attempt.retryAttempt),
    ofRun: (run) => runs.get(run),
    all: () => [...tasks.values()].flat()
  }
}
