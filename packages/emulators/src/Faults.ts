/**
 * Faults by rule: what a client meets instead of, or before, the emulator's own answer.
 *
 * Rules are looked at in the order they were added. The first that matches a request and has uses left acts; a delay
 * lets the request go on to the rules after it, and then to the emulator itself.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { matches, RequestMatch } from "./RequestMatch.ts"
import type { RecordedRequest } from "./RequestLog.ts"

const Headers = Schema.Record(Schema.String, Schema.String)
const Status = Schema.Int.check(Schema.isBetween({ minimum: 200, maximum: 599 }))

/** What happens to a request that a rule matches. */
export const FaultAction = Schema.Union([
  /** Answers with this status; without a `body`, with an error in the emulator's own words. */
  Schema.Struct({
    type: Schema.Literal("status"),
    status: Status,
    headers: Schema.optional(Headers),
    /** Text is sent as it is, anything else as JSON. */
    body: Schema.optional(Schema.Unknown)
  }),
  /** Waits on Effect's `Clock`, then lets the request go on. */
  Schema.Struct({ type: Schema.Literal("delay"), duration: Schema.DurationFromString }),
  /** 200 with `content-type: application/json` and a body that stops in mid-object. */
  Schema.Struct({ type: Schema.Literal("malformed-json") }),
  /** A login page, as proxies send it (by default with status 200). */
  Schema.Struct({ type: Schema.Literal("html"), status: Schema.optional(Status) }),
  /** No body at all (by default with status 200). */
  Schema.Struct({ type: Schema.Literal("empty-body"), status: Schema.optional(Status) }),
  /** A body that goes on until the client goes away. */
  Schema.Struct({ type: Schema.Literal("endless-body") }),
  /** Announces more bytes than it sends, then closes the connection. */
  Schema.Struct({ type: Schema.Literal("truncated-body") }),
  /** The emulator's own answer, with this pause on Effect's `Clock` after each byte of the body. */
  Schema.Struct({ type: Schema.Literal("slow-body"), pause: Schema.DurationFromString }),
  /** The emulator's own answer with this JSON merge patch (RFC 7396) applied to its body. */
  Schema.Struct({ type: Schema.Literal("merge-patch"), patch: Schema.Unknown }),
  /** Resets the TCP connection before any answer. */
  Schema.Struct({ type: Schema.Literal("connection-reset") })
])
export type FaultAction = typeof FaultAction.Type

/** When to act, how often, and how. */
export const FaultRule = Schema.Struct({
  ...RequestMatch.fields,
  /** How many matching requests pass unharmed first (by default none). */
  skip: Schema.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  /** How many matching requests it acts on (by default all). */
  times: Schema.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
  action: FaultAction
})
export type FaultRule = typeof FaultRule.Type & {
  /** A further condition, from code only. */
  readonly when?: (request: RecordedRequest) => boolean
}

/** A rule in force. */
export interface ActiveFault {
  readonly id: string
  readonly rule: FaultRule
  /** How many requests it has acted on. */
  readonly used: number
}

/** Holds matching requests until they are let go. */
export interface Gate {
  /** Completes when the first matching request is being held. */
  readonly arrived: Effect.Effect<void>
  /** Lets all held requests go on, and those that come later. */
  readonly release: Effect.Effect<void>
}

/** Adds and removes faults. */
export interface Faults {
  /** Puts a rule in force and gives its id. */
  readonly add: (rule: FaultRule) => Effect.Effect<string>
  /** Takes a rule out of force; says whether it was there. */
  readonly remove: (id: string) => Effect.Effect<boolean>
  readonly clear: Effect.Effect<void>
  readonly active: Effect.Effect<ReadonlyArray<ActiveFault>>
  /** Holds matching requests until the gate is released: a delay that needs no clock. */
  readonly hold: (match: RequestMatch & Pick<FaultRule, "when">) => Effect.Effect<Gate>
}

interface Entry {
  readonly id: string
  readonly rule: FaultRule
  readonly gate?: { readonly arrived: Deferred.Deferred<void>; readonly released: Deferred.Deferred<void> }
  seen: number
  used: number
}

/** Makes an empty set of rules; `next` waits as the rules say and gives the action to take, if any. */
export const make = () => {
  const entries = new Map<string, Entry>()
  let lastId = 0

  const insert = (rule: FaultRule, gate?: Entry["gate"]) => {
    const id = `fault-${++lastId}`
    entries.set(id, { id, rule, seen: 0, used: 0, ...(gate === undefined ? {} : { gate }) })
    return id
  }

  const faults: Faults = {
    add: (rule) => Effect.sync(() => insert(rule)),
    remove: (id) => Effect.sync(() => entries.delete(id)),
    clear: Effect.suspend(() => {
      const gates = [...entries.values()].flatMap(({ gate }) => (gate === undefined ? [] : [gate.released]))
      entries.clear()
      return Effect.forEach(gates, (released) => Deferred.succeed(released, undefined), { discard: true })
    }),
    active: Effect.sync(() =>
      [...entries.values()].filter(({ gate }) => gate === undefined).map(({ id, rule, used }) => ({ id, rule, used }))
    ),
    hold: (match) =>
      Effect.sync(() => {
        const gate = { arrived: Deferred.makeUnsafe<void>(), released: Deferred.makeUnsafe<void>() }
        const id = insert({ ...match, action: Fault.delay(Duration.zero) }, gate)
        return {
          arrived: Deferred.await(gate.arrived),
          release: Effect.suspend(() => {
            entries.delete(id)
            return Deferred.succeed(gate.released, undefined)
          }).pipe(Effect.asVoid)
        }
      })
  }

  /** Counts the request against the rule, and says whether the rule acts on it. */
  const acts = (entry: Entry, request: RecordedRequest): boolean => {
    const { rule } = entry
    if (!matches(rule, request) || rule.when?.(request) === false) return false
    entry.seen++
    if (entry.seen <= (rule.skip ?? 0) || entry.used >= (rule.times ?? Infinity)) return false
    entry.used++
    return true
  }

  const next = Effect.fnUntraced(function* (request: RecordedRequest) {
    for (const entry of entries.values()) {
      if (!acts(entry, request)) continue
      if (entry.gate !== undefined) {
        yield* Deferred.succeed(entry.gate.arrived, undefined)
        yield* Deferred.await(entry.gate.released)
      } else if (entry.rule.action.type === "delay") {
        yield* Effect.sleep(entry.rule.action.duration)
      } else {
        return entry.rule.action
      }
    }
    return undefined
  })

  return { faults, next }
}

/** The actions, by name. */
export const Fault = {
  status: (
    status: number,
    options: { readonly headers?: Record<string, string>; readonly body?: unknown } = {}
  ): FaultAction => ({ type: "status", status, ...options }),
  /** A JSON answer instead of the emulator's own. */
  json: (body: unknown, status = 200): FaultAction => ({ type: "status", status, body }),
  /** The emulator's own answer, changed: members of the patch replace those of the body, `null` removes. */
  mergePatch: (patch: unknown): FaultAction => ({ type: "merge-patch", patch }),
  delay: (duration: Duration.Input): FaultAction => ({ type: "delay", duration: Duration.fromInputUnsafe(duration) }),
  malformedJson: { type: "malformed-json" } as FaultAction,
  html: (status?: number): FaultAction => ({ type: "html", status }),
  emptyBody: (status?: number): FaultAction => ({ type: "empty-body", status }),
  endlessBody: { type: "endless-body" } as FaultAction,
  truncatedBody: { type: "truncated-body" } as FaultAction,
  slowBody: (pause: Duration.Input): FaultAction => ({ type: "slow-body", pause: Duration.fromInputUnsafe(pause) }),
  connectionReset: { type: "connection-reset" } as FaultAction
}
