/** An executor's configuration, and its accidents. */
import type { Duration } from "effect"

/** How an executor is configured, and how often things happen to it that are nobody's fault. */
export interface Habits {
  /** How many attempts are made at a task. */
  readonly attempts: number
  /** How often runs are polled. */
  readonly resyncEvery: Duration.Input
  /** How long a task that is over is kept; then, in Flyte 2, its run is deleted. */
  readonly keepsFinished: Duration.Input
  /** How long a task whose run was given up is looked at; whatever hangs so long, hangs for ever. */
  readonly hangsAfter: Duration.Input
  /** The control plane refuses an event. */
  readonly refusedEvents: number
  /** An old copy of the task is looked at, so that an attempt is created again. */
  readonly staleCopies: number
  /** Two executors look at a task at once for a moment. */
  readonly doubleCreates: number
  readonly doublePolls: number
}

/** The defaults, and no mine. */
export const habits: Habits = {
  attempts: 5,
  resyncEvery: "30 seconds",
  keepsFinished: "1 hour",
  hangsAfter: "1 hour",
  refusedEvents: 0,
  staleCopies: 0,
  doubleCreates: 0,
  doublePolls: 0
}
