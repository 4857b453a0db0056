/**
 * Whose turn it is: requests to Databricks stand in line before they are sent. It is told what happens and when, and
 * knows neither clock nor fiber; `Turns` does.
 *
 * Each namespace in each workspace has its own line, and they take turns: who asks for much waits for himself. The first
 * of a line may go where
 *
 * - its line has fewer requests under way than are left beyond those of its workspace (`mayGo`). The more are under way,
 *   the less each may have: one line alone has a third of all, and whoever comes then finds room. A workspace that is slow
 *   keeps what it has, and cannot have all;
 * - the workspace's bucket has a token for this kind of request.
 *
 * Who cannot be answered by his deadline is told at once, and at the latest when no more time is left than an answer takes.
 *
 * A call may stand here ahead of its request. Its turn counts as one under way, and is taken from it where it does nothing
 * with it: who waits for a token keeps nobody from asking.
 */
import * as Bucket from "./Bucket.ts"
import type { Kind, Limits, Line, OfKind, Outcome, Place, Refusal, Ticket, Workspace } from "./Ticket.ts"

/** How many may wait. With more, most would be told so in the end, having waited. */
export const mostWaiting = 4096

/** Of how many workspaces it is remembered how often they may be asked. */
export const mostWorkspaces = 1000

/** An answer also has to be read and passed on. */
const margin = 150

/** How long a turn may be had ahead of its request: as long as it takes to make one, and to read a Secret before that. */
export const mostAhead = 1000

/** How often it is looked who is late, at most. */
const pause = 25

export const make = (limits: Limits) => {
  const workspaces = new Map<string, Workspace>()
  /** Those in which somebody waits; who had a turn goes to the end. */
  const queue = new Set<Line>()
  /** Those that have a turn and have not used it, the oldest first. */
  const ahead = new Set<Ticket>()
  let underWay = 0
  let waiting = 0
  /** When the first of those who wait may be late. */
  let lateAt = Infinity

  const lineOf = ({ workspace: name, namespace }: Place): Line => {
    const workspace = workspaces.get(name) ?? { name, kinds: new Map(), lines: new Map(), underWay: 0 }
    workspaces.delete(name)
    workspaces.set(name, workspace)
    const line = workspace.lines.get(namespace) ?? { workspace, namespace, waiting: new Map(), underWay: 0 }
    workspace.lines.set(namespace, line)
    return line
  }

  const kindOf = ({ kinds }: Workspace, kind: Kind, now: number) => {
    const known = kinds.get(kind)
    if (known !== undefined) return known
    const made = { bucket: Bucket.make(limits.perSecond[kind], now), service: undefined }
    kinds.set(kind, made)
    return made
  }

  const mayGo = ({ workspace, underWay: own }: Line): boolean => own < limits.atOnce - underWay - workspace.underWay

  const go = (ticket: Ticket, now: number): void => {
    ticket.state = ticket.isAhead ? "has" : "goes"
    ticket.since = now
    if (ticket.isAhead) ahead.add(ticket)
    ticket.line.underWay += 1
    ticket.line.workspace.underWay += 1
    underWay += 1
  }

  const enqueue = (ticket: Ticket): Set<Ticket> => {
    const { line, kind } = ticket
    const ofKind = line.waiting.get(kind) ?? new Set()
    line.waiting.set(kind, ofKind)
    ofKind.add(ticket)
    queue.add(line)
    waiting += 1
    return ofKind
  }

  const dequeue = (ticket: Ticket): void => {
    const { line, kind } = ticket
    const ofKind = line.waiting.get(kind)
    if (ofKind?.delete(ticket) !== true) return
    waiting -= 1
    if (ofKind.size === 0) line.waiting.delete(kind)
    if (line.waiting.size === 0) queue.delete(line)
  }

  const forget = (line: Line): void => {
    const { workspace } = line
    if (line.underWay > 0 || line.waiting.size > 0) return
    workspace.lines.delete(line.namespace)
    if (workspace.lines.size > 0) return
    // How slow it was says nothing of how it will be.
    for (const kind of workspace.kinds.values()) kind.service = undefined
    if (workspaces.size <= mostWorkspaces) return
    for (const [name, { lines }] of workspaces) {
      if (lines.size === 0) return void workspaces.delete(name)
    }
  }

  /** The first of a line that has waited longest, of those whose kind of request may be made. */
  const headOf = (line: Line, now: number): Ticket | undefined => {
    let found: Ticket | undefined
    for (const [kind, [first]] of line.waiting) {
      if (first === undefined || first.since >= (found?.since ?? Infinity)) continue
      if (kindOf(line.workspace, kind, now).bucket.readyAt(now) <= now) found = first
    }
    return found
  }

  const next = (now: number): Ticket | undefined => {
    if (underWay >= limits.atOnce) return undefined
    for (const line of queue) {
      const head = mayGo(line) ? headOf(line, now) : undefined
      if (head !== undefined) return head
    }
    return undefined
  }

  /** How long an answer takes, and whether that may be asked so often. */
  const learn = (of: OfKind, begunAt: number, now: number, outcome: Outcome | undefined): void => {
    const { bucket, service = 0 } = of
    const took = now - begunAt
    // Who gave up waiting for an answer has seen how long it takes, at least.
    if (outcome !== undefined || took > service) {
      of.service = of.service === undefined ? took : service + (took - service) / 8
    }
    if (outcome?._tag === "Answered") bucket.answered(begunAt, now)
    if (outcome?._tag === "Limited") bucket.limited(begunAt, now, outcome.retryAfterMillis)
  }

  const latest = ({ line: { workspace }, kind, endsAt }: Ticket, now: number): number =>
    endsAt - margin - (kindOf(workspace, kind, now).service ?? 0)

  const refusal = (ticket: Ticket, why: Refusal["why"], now: number): Refusal => ({
    why,
    bound: kindOf(ticket.line.workspace, ticket.kind, now).bucket.readyAt(now) > now ? "rate" : "requests",
    waiting: waiting - 1
  })

  const refuse = (ticket: Ticket, why: Refusal["why"], now: number): void => {
    ticket.refusal = refusal(ticket, why, now)
    ticket.state = "over"
    dequeue(ticket)
    forget(ticket.line)
  }

  /**
   * When the answer would be there, if all goes well from here on: those before take half as long as of late, when many may
   * have come at once.
   */
  const answeredAt = ({ line, kind }: Ticket, before: number, now: number): number => {
    const { bucket, service = 0 } = kindOf(line.workspace, kind, now)
    const share = Math.max(1, line.underWay, Math.floor(limits.atOnce / (2 * queue.size + 1)))
    return now + Math.max((service * before) / (2 * share), bucket.millisFor(before + 1, now)) + service
  }

  const late = (now: number): ReadonlyArray<Ticket> => {
    if (now < lateAt) return []
    const found: Array<Ticket> = []
    lateAt = Infinity
    for (const { waiting: kinds } of queue) {
      for (const ticket of [...kinds.values()].flatMap((tickets) => [...tickets])) {
        const at = latest(ticket, now)
        if (at <= now) found.push(ticket)
        else lateAt = Math.min(lateAt, Math.max(at, now + pause))
      }
    }
    for (const ticket of found) refuse(ticket, "late", now)
    return found
  }

  const leave = (ticket: Ticket, now: number, outcome?: Outcome): void => {
    const { line, kind, state, since } = ticket
    if (state === "over") return
    ticket.state = "over"
    if (state === "waits") dequeue(ticket)
    else {
      const { workspace } = line
      line.underWay -= 1
      workspace.underWay -= 1
      underWay -= 1
      const known = kindOf(workspace, kind, now)
      if (ahead.delete(ticket)) known.bucket.giveBack()
      else learn(known, since, now, outcome)
    }
    forget(line)
  }

  /** Takes from the first what they have not used. */
  const takeBack = (now: number): void => {
    for (const ticket of ahead) {
      if (now - ticket.since < mostAhead) return
      leave(ticket, now)
    }
  }

  /** Lets go who may, and tells who is late: those whose state has changed. */
  const step = (now: number): ReadonlyArray<Ticket> => {
    if (waiting === 0) return []
    takeBack(now)
    const changed = [...late(now)]
    for (let head = next(now); head !== undefined; head = next(now)) {
      const { line, kind } = head
      kindOf(line.workspace, kind, now).bucket.take(now)
      dequeue(head)
      go(head, now)
      if (queue.delete(line)) queue.add(line)
      changed.push(head)
    }
    return changed
  }

  return {
    step,

    /** Somebody comes: a ticket that goes, waits, or is over with a refusal. What else has changed is in the list. */
    arrive: (place: Place, endsAt: number, now: number, isAhead = false): readonly [Ticket, ReadonlyArray<Ticket>] => {
      const line = lineOf(place)
      const { kind } = place
      const ticket: Ticket = { line, kind, endsAt, isAhead, state: "waits", since: now, refusal: undefined }
      if (waiting === 0 && mayGo(line) && kindOf(line.workspace, kind, now).bucket.take(now)) {
        go(ticket, now)
        return [ticket, []]
      }
      const before = enqueue(ticket).size - 1
      const changed = step(now).filter((other) => other !== ticket)
      if (ticket.state === "waits") {
        if (waiting > mostWaiting) refuse(ticket, "full", now)
        else if (answeredAt(ticket, before, now) > endsAt) refuse(ticket, "late", now)
        else lateAt = Math.min(lateAt, latest(ticket, now))
      }
      return [ticket, changed]
    },

    /** A request was answered, or whoever waited for it or for its turn has gone. */
    leave,

    /** Makes its request in the turn that it has; false where it has none. */
    use: (ticket: Ticket, now: number): boolean => {
      if (!ahead.delete(ticket)) return false
      ticket.state = "goes"
      ticket.since = now
      return true
    },

    /** When `step` has something to do though nothing happens. */
    wakeAt: (now: number): number => {
      const [first] = ahead
      let at = Math.min(lateAt, (first?.since ?? Infinity) + mostAhead)
      if (underWay < limits.atOnce) {
        for (const line of queue) {
          if (!mayGo(line)) continue
          for (const kind of line.waiting.keys()) {
            at = Math.min(at, kindOf(line.workspace, kind, now).bucket.readyAt(now))
          }
        }
      }
      return waiting === 0 ? Infinity : at
    },

    /** Why nobody can be taken any more, where it is so. */
    full: (): Refusal | undefined => (waiting >= mostWaiting ? { why: "full", bound: "requests", waiting } : undefined),
    waiting: () => waiting,
    workspaces: () => workspaces.size,
    underWay: () => underWay
  }
}
