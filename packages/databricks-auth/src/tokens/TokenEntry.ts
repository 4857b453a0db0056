/**
 * What the cache knows of one credential, as a state machine. A transition takes the state and an event, and gives the
 * next state and, where something is to be done, a command. `TokenCache` keeps the state and carries the commands out.
 *
 *     Empty ──get──▶ Fetching ──succeeded──▶ Fresh ──get, due──▶ Refreshing ──succeeded──▶ Fresh
 *       ▲   ▲          │  ▲                  │  │                  │  │  │
 *       │   │       failed└──get── Expired ◀─time                  │  │  └──failed──▶ Fresh (the next try is put off)
 *       │   │          ▼                        │                  │  └──failed, token ended──▶ Failed
 *       │   └──time── Failed                    │ refused,         │ refused, replaced;
 *       │                                       │ replaced         │ get, token ended
 *       └───────────────────────────────────────┘                  ▼
 *                                                               Fetching
 *
 * `Expired` is what time makes of `Fresh`, so it is never written. In `Fetching` callers wait; in `Fresh` and
 * `Refreshing` they do not; in `Failed` they hear the failure again. A request is in flight in `Fetching` and
 * `Refreshing` alone, and only its end ends these two: so there is one at a time, and none can be late. In `Fetching` it
 * may be followed by another: where it was begun for nobody and failed, or where its token was outdated before it came.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Deferred from "effect/Deferred"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { AuthClosed, AuthError } from "../AuthError.ts"
import type { AuthHeader } from "../Credential.ts"
import type { Progress } from "../endpoint/Token.ts"
import { failureLasts, nextRefresh, type Policy, type Times } from "./TokenPolicy.ts"

/** A token in hand. */
export interface Held {
  /** Success, ready to be returned: an `Exit` is an `Effect` that needs no fiber. */
  readonly header: Exit.Success<AuthHeader, AuthError>
  readonly builtFrom: Redacted.Redacted<string>
  readonly times: Times
}

/** What callers wait for. */
type Result = Deferred.Deferred<AuthHeader, AuthError>

interface InFlight {
  readonly result: Result
  readonly progress: Progress | undefined
}

/** What was learnt since a request began that may make its token the wrong one. */
type Outdated =
  | { readonly _tag: "Refused"; readonly header: AuthHeader }
  | { readonly _tag: "Replaced"; readonly builtFrom: Redacted.Redacted<string> }

type Phase =
  | { readonly _tag: "Empty" }
  | ({
      readonly _tag: "Fetching"
      /** The first for those who wait, the second where the first one's token was outdated; or begun for nobody. */
      readonly request: "first" | "second" | "background"
      readonly outdated: Outdated | undefined
    } & InFlight)
  | {
      readonly _tag: "Fresh"
      readonly held: Held
      /** When a call next begins a refresh; not after the token is usable. */
      readonly refreshAt: number
      /** The refreshes that failed in a row, and what the last said. */
      readonly failures: number
      readonly failure: AuthError | undefined
    }
  | ({ readonly _tag: "Refreshing"; readonly held: Held; readonly failures: number } & InFlight)
  | { readonly _tag: "Failed"; readonly error: AuthError; readonly until: number }

export type Entry = Phase & {
  /** A token was refused, or its credential replaced: what the job's metadata stores is not tried again. */
  readonly refused: boolean
}
type EntryOf<Tag extends Entry["_tag"]> = Extract<Entry, { readonly _tag: Tag }>

export const empty: Entry = { _tag: "Empty", refused: false }

export const isInFlight = (entry: Entry): entry is EntryOf<"Fetching" | "Refreshing"> =>
  entry._tag === "Fetching" || entry._tag === "Refreshing"

type Command = Data.TaggedEnum<{
  /** The caller is answered at once. */
  Answer: { readonly exit: Exit.Exit<AuthHeader, AuthError> }
  Wait: { readonly result: Result }
  /** A request is made, and the caller waits for it. */
  Fetch: { readonly refused: boolean; readonly result: Result }
  /** A request is made in the background, and the caller is answered at once. */
  Refresh: { readonly refused: boolean; readonly exit: Exit.Exit<AuthHeader, AuthError> }
  /** Those who wait are answered. */
  Settle: { readonly result: Result; readonly exit: Exit.Exit<AuthHeader, AuthError> }
  /** A refresh has failed, and nobody waits. */
  PutOff: { readonly failures: number; readonly usableUntil: number; readonly cause: Cause.Cause<AuthError> }
}>
const { Answer, Wait, Fetch, Refresh, Settle, PutOff } = Data.taggedEnum<Command>()

export type CommandOf<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>

export interface Step<out C> {
  readonly state: Entry
  readonly command: C
}
const to = <C>(state: Entry, command: C): Step<C> => ({ state, command })

/**
 * A caller asks for the header. `isTurn` says whether the renewal of a token that is due may begin now; `result` is
 * what callers wait for, should this be the first of them.
 */
export const get = (
  entry: Entry,
  { now, isTurn, result }: { readonly now: number; readonly isTurn: (times: Times) => boolean; readonly result: Result }
): Step<CommandOf<"Answer" | "Wait" | "Fetch" | "Refresh">> => {
  switch (entry._tag) {
    case "Empty":
      return fetch(entry, "first", result)
    case "Fetching":
      return to(entry, Wait({ result: entry.result }))
    case "Fresh": {
      const { refused, held, refreshAt, failures } = entry
      if (now >= held.times.usableUntil) return fetch(entry, "first", result)
      const isDue = now >= refreshAt && (now >= held.times.urgentAt || isTurn(held.times))
      if (!isDue) return to(entry, Answer({ exit: held.header }))
      const state = { _tag: "Refreshing", refused, held, failures, result, progress: undefined } as const
      return to(state, Refresh({ refused, exit: held.header }))
    }
    case "Refreshing":
      return now < entry.held.times.usableUntil
        ? to(entry, Answer({ exit: entry.held.header }))
        : to(withoutToken(entry, undefined), Wait({ result: entry.result }))
    case "Failed":
      return now < entry.until ? to(entry, Answer({ exit: Exit.fail(entry.error) })) : fetch(entry, "first", result)
  }
}

/** The request in flight has got on. */
export const progressed = (entry: Entry, progress: Progress): Entry =>
  isInFlight(entry) ? { ...entry, progress } : entry

/** How it goes with the request in flight. */
export const progress = (entry: Entry): Option.Option<Progress> =>
  isInFlight(entry) ? Option.fromUndefinedOr(entry.progress) : Option.none()

/** The request in flight has ended. */
export const ended = (
  entry: Entry,
  exit: Exit.Exit<Held, AuthError>,
  { now, chance, policy }: { readonly now: number; readonly chance: number; readonly policy: Policy }
): Step<CommandOf<"Fetch" | "Settle" | "PutOff"> | undefined> => {
  if (!isInFlight(entry)) return to(entry, undefined)
  const { refused, result } = entry
  if (Exit.isSuccess(exit)) {
    const held = exit.value
    if (entry._tag === "Fetching" && entry.request !== "second" && isOutdated(held, entry.outdated)) {
      return fetch(entry, "second", result)
    }
    const { refreshAt } = held.times
    const state = { _tag: "Fresh", refused, held, refreshAt, failures: 0, failure: undefined } as const
    return to(state, Settle({ result, exit: held.header }))
  }
  const { cause } = exit
  const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (entry._tag === "Refreshing" && now < entry.held.times.usableUntil) {
    const { held } = entry
    const failures = entry.failures + 1
    const refreshAt = nextRefresh(now, held.times, failures, failure?.retryAfterMillis ?? 0, chance)
    const state = { _tag: "Fresh", refused, held, refreshAt, failures, failure } as const
    return to(state, PutOff({ failures, usableUntil: held.times.usableUntil, cause }))
  }
  // It was tried once, and those who have come to wait meanwhile are owed the retries.
  if (entry._tag === "Fetching" && entry.request === "background") return fetch(entry, "first", result)
  const state: Entry =
    failure === undefined
      ? { _tag: "Empty", refused }
      : { _tag: "Failed", refused, error: failure, until: now + failureLasts(policy, failure) }
  return to(state, Settle({ result, exit: Exit.failCause(cause) }))
}

/** Databricks refused this header. */
export const refused = (entry: Entry, header: AuthHeader): Entry => drop(entry, { _tag: "Refused", header })

/** The credential has been replaced by this one. */
export const replaced = (entry: Entry, builtFrom: Redacted.Redacted<string>): Entry => {
  const outdated = { _tag: "Replaced", builtFrom } as const
  return entry._tag === "Fetching" ? { ...entry, outdated } : drop(entry, outdated)
}

/** The cache is closed. */
export const closed = (entry: Entry): Step<CommandOf<"Settle"> | undefined> => {
  const state: Entry = { _tag: "Empty", refused: entry.refused }
  if (!isInFlight(entry)) return to(state, undefined)
  return to(state, Settle({ result: entry.result, exit: Exit.fail(new AuthError({ reason: new AuthClosed() })) }))
}

const fetch = ({ refused }: Entry, request: "first" | "second", result: Result): Step<CommandOf<"Fetch">> =>
  to(
    { _tag: "Fetching", refused, request, result, progress: undefined, outdated: undefined },
    Fetch({ refused, result })
  )

const withoutToken = (entry: EntryOf<"Refreshing">, outdated: Outdated | undefined): Entry => {
  const { refused, result, progress } = entry
  return { _tag: "Fetching", refused, request: "background", result, progress, outdated }
}

const drop = (entry: Entry, outdated: Outdated): Entry => {
  if (!("held" in entry) || !isOutdated(entry.held, outdated)) return entry
  if (entry._tag === "Fresh") return { _tag: "Empty", refused: true }
  return { ...withoutToken(entry, outdated), refused: true }
}

const isOutdated = ({ header, builtFrom }: Held, outdated: Outdated | undefined): boolean =>
  outdated !== undefined &&
  (outdated._tag === "Refused"
    ? Equal.equals(header.value.authorization, outdated.header.authorization)
    : !Equal.equals(builtFrom, outdated.builtFrom))
