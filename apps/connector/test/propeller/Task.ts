/** A task, as Flyte stores it: its attempts, and what is known of the last of them. */
import type * as Console from "./Console.ts"
import type { Order } from "./orders.ts"

/** What Flyte knows of an attempt. */
interface Attempt {
  /** The runs that it follows: one, if the connector tells a repeated create from a new one. */
  readonly runIds: ReadonlySet<string>
  /** When the last of its creates ended, in milliseconds. */
  readonly createdAt: number
  /** The phases that were stored, in order. */
  readonly phases: ReadonlyArray<string>
  /** What people see of it. */
  readonly seen: Console.Seen
}

/** What became of a task: the phase it ended in, or how it went astray. */
export interface Ended {
  readonly order: Order
  readonly end: string
  readonly attempts: ReadonlyArray<Attempt>
}

/** A task, as it is stored. */
export interface Task {
  readonly order: Order
  readonly attempts: Array<OpenAttempt>
  meta: Uint8Array | undefined
  phase: string | undefined
  version: number
  failedPolls: number
  abortAt: number
}

interface OpenAttempt extends Attempt {
  readonly runIds: Set<string>
  createdAt: number
  readonly phases: Array<string>
}

/** A task that arrives. */
export const arrived = (order: Order, console: Console.Console): Task => {
  const task: Task = {
    order,
    attempts: [],
    meta: undefined,
    phase: undefined,
    version: 0,
    failedPolls: 0,
    abortAt: Infinity
  }
  openAttempt(task, console)
  return task
}

/** Begins another attempt. */
export const openAttempt = (task: Task, console: Console.Console): void => {
  const key = `${task.order.name} ${task.attempts.length}`
  task.attempts.push({
    runIds: new Set(),
    createdAt: 0,
    phases: [],
    get seen() {
      return console.seen(key)
    }
  })
  Object.assign(task, { meta: undefined, phase: undefined, version: 0, failedPolls: 0 })
}

/** The attempt under way, by name. */
export const keyOf = ({ order, attempts }: Task): string => `${order.name} ${attempts.length - 1}`

/** The attempt under way. */
export const attemptOf = ({ attempts }: Task): OpenAttempt => attempts[attempts.length - 1] as OpenAttempt

/** Stores a phase of the attempt under way. */
export const store = (task: Task, phase: string, version = 0): void => {
  const { phases } = attemptOf(task)
  task.phase = phase
  task.version = version
  if (phase !== phases.at(-1)) phases.push(phase)
}
