/**
 * The attempts whose runs Flyte may not know, by task, by attempt and by run; bounded, in memory.
 */
import type { Credential } from "@flyte-databricks/databricks-auth"
import type { RunId } from "@flyte-databricks/databricks-jobs"
import * as Equal from "effect/Equal"
import { type Attempt, taskKey } from "../IdempotencyToken.ts"
import { keyOf, type RunKey } from "./LastReports.ts"

/** An attempt, and who its run belongs to. */
export interface Held {
  readonly attempt: Attempt
  readonly credential: Credential.Credential
}

/** What is held, found by what Flyte asks. */
export interface UnknownRuns<H extends Held> {
  readonly add: (held: H) => void
  readonly remove: (held: H) => void
  /** The run of one that is held has this id. */
  readonly started: (held: H, runId: RunId.RunId) => void
  /** The attempt, as the same credential: what was submitted as another is another's. */
  readonly same: (held: Held) => H | undefined
  /** Earlier attempts at the same task. */
  readonly before: (attempt: Attempt) => ReadonlyArray<H>
  readonly ofRun: (run: RunKey) => H | undefined
  readonly all: () => ReadonlyArray<H>
}

const isSame = (one: Held, other: Held): boolean =>
  one.attempt.retryAttempt === other.attempt.retryAttempt &&
  one.credential.identity.key === other.credential.identity.key &&
  Equal.equals(one.credential.storedToken, other.credential.storedToken)

/**
 * Holds the attempts of so many tasks. The oldest are let go first, and `letGo` hears of it.
 */
export const make = <H extends Held>(letGo: (held: H) => void, capacity = 5000): UnknownRuns<H> => {
  const tasks = new Map<string, ReadonlyArray<H>>()
  const runs = new Map<RunKey, H>()
  const runOf = new Map<H, RunKey>()

  const of = (attempt: Attempt) => tasks.get(taskKey(attempt)) ?? []
  const forgetRun = (held: H) => {
    const run = runOf.get(held)
    if (run !== undefined) runs.delete(run)
    runOf.delete(held)
  }
  return {
    add: (held) => {
      tasks.set(taskKey(held.attempt), [...of(held.attempt), held])
      for (const [task, oldest] of tasks) {
        if (tasks.size <= capacity) return
        tasks.delete(task)
        for (const one of oldest) {
          forgetRun(one)
          letGo(one)
        }
      }
    },
    remove: (held) => {
      forgetRun(held)
      const others = of(held.attempt).filter((other) => other !== held)
      if (others.length === 0) tasks.delete(taskKey(held.attempt))
      else tasks.set(taskKey(held.attempt), others)
    },
    started: (held, runId) => {
      if (!of(held.attempt).includes(held)) return
      const run = keyOf({ instance: held.credential.identity.instance, runId })
      runs.set(run, held)
      runOf.set(held, run)
    },
    same: (held) => of(held.attempt).find((other) => isSame(held, other)),
    before: (attempt) => of(attempt).filter((held) => held.attempt.retryAttempt < attempt.retryAttempt),
    ofRun: (run) => runs.get(run),
    all: () => [...tasks.values()].flat()
  }
}
