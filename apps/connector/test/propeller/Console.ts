/**
 * Flyte's control plane: what it takes of the phases that an executor tells it, and so what people see.
 */
import { Effect } from "effect"
import { chance } from "./dice.ts"

/** A phase of an attempt, as an executor tells it. */
interface Told {
  /** The attempt. */
  readonly attempt: string
  readonly phase: string
  /** The executor's own first word, "launched", has 2; whatever a connector says has 0. */
  readonly version: number
  readonly links: number
}

/** What people see of an attempt. */
export interface Seen {
  /** Its phases, in order. */
  readonly phases: ReadonlyArray<string>
  /** Whether there is a link to the run's page. */
  readonly hasLink: boolean
}

/** The control plane of one version. */
export interface Console {
  /** Says whether the event was taken: the executor keeps nothing of what was refused. */
  readonly tell: (told: Told) => Effect.Effect<boolean>
  readonly seen: (attempt: string) => Seen
  /** The executor starts anew, and with it what it remembers of the events that it sent. */
  readonly forget: Effect.Effect<void>
}

interface Row extends Seen {
  readonly phases: Array<string>
  hasLink: boolean
  version: number
}

export const ends: ReadonlyArray<string> = ["SUCCEEDED", "FAILED", "ABORTED", "RETRYABLE_FAILED"]
const rank = ["QUEUED", "WAITING_FOR_RESOURCES", "INITIALIZING", "RUNNING", ...ends]

const nothing: Seen = { phases: [], hasLink: false }

const make = (refused: number, take: (row: Row, told: Told, isNew: boolean) => void): Console => {
  const rows = new Map<string, Row>()
  const sent = new Set<string>()
  return {
    tell: Effect.fnUntraced(function* (told) {
      if (yield* chance(refused)) return false
      const { attempt, phase, version } = told
      const row = rows.get(attempt) ?? { phases: [], hasLink: false, version: 0 }
      rows.set(attempt, row)
      const event = `${attempt} ${phase} ${version}`
      take(row, told, !sent.has(event))
      sent.add(event)
      return true
    }),
    seen: (attempt) => rows.get(attempt) ?? nothing,
    forget: Effect.sync(() => sent.clear())
  }
}

/**
 * Flyte 1. Propeller remembers the events that it sent and sends none of them twice. The admin takes any phase that is
 * not the one it has, also a lower one: a task that went back to a phase which is new to it is shown there, until it
 * comes to one that it has not been in yet. A QUEUED of the connector's is never new: propeller's own has a higher version.
 */
export const flyte1 = (refused: number): Console =>
  make(refused, (row, { phase, version, links }, isNew) => {
    const shown = row.phases.at(-1)
    if (!isNew || ends.includes(shown ?? "") || (shown === phase && row.version >= version)) return
    row.phases.push(phase)
    row.version = version
    row.hasLink ||= links > 0
  })

/**
 * Flyte 2. Each event is stored once, with its links; the phase of an action never goes down.
 */
export const flyte2 = (refused: number): Console => {
  const console = make(refused, (row, { phase, links }, isNew) => {
    const shown = row.phases.at(-1)
    if (isNew) row.hasLink ||= links > 0
    if (shown === phase || rank.indexOf(shown ?? "") > rank.indexOf(phase)) return
    row.phases.push(phase)
  })
  // It is the control plane that remembers, not the executor.
  return { ...console, forget: Effect.void }
}
