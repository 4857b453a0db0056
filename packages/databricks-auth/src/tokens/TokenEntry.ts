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
import type { FailedTries } from "../endpoint/Token.ts"
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
  readonly tries: FailedTries | undefined
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
      return { state: entry, command: Wait({ result: entry.result }) }
    case "Fresh": {
      const { refused, held, refreshAt, failures } = entry
      if (now >= held.times.usableUntil) return fetch(entry, "first", result)
      const isDue = now >= refreshAt && (now >= held.times.urgentAt || isTurn(held.times))
      return isDue
        ? {
            state: { _tag: "Refreshing", refused, held, failures, result, tries: undefined },
            command: Refresh({ refused, exit: held.header })
          }
        : { state: entry, command: Answer({ exit: held.header }) }
    }
    case "Refreshing":
      return now < entry.held.times.usableUntil
        ? { state: entry, command: Answer({ exit: entry.held.header }) }
        : { state: withoutToken(entry, undefined), command: Wait({ result: entry.result }) }
    case "Failed":
      return now < entry.until
        ? { state: entry, command: Answer({ exit: Exit.fail(entry.error) }) }
        : fetch(entry, "first", result)
  }
}

/** A try of the request in flight has failed. */
export const tried = (entry: Entry, tries: FailedTries): Entry => (isInFlight(entry) ? { ...entry, tries } : entry)

/** The tries that the request in flight has made. */
export const progress = (entry: Entry): Option.Option<FailedTries> =>
  isInFlight(entry) ? Option.fromUndefinedOr(entry.tries) : Option.none()

/** The request in flight has ended. */
export const ended = (
  entry: Entry,
  exit: Exit.Exit<Held, AuthError>,
  { now, chance, policy }: { readonly now: number; readonly chance: number; readonly policy: Policy }
): Step<CommandOf<"Fetch" | "Settle" | "PutOff"> | undefined> => {
  if (!isInFlight(entry)) return { state: entry, command: undefined }
  const { refused, result } = entry
  if (Exit.isSuccess(exit)) {
    const held = exit.value
    if (entry._tag === "Fetching" && entry.request !== "second" && isOutdated(held, entry.outdated)) {
      return fetch(entry, "second", result)
    }
    return {
      state: { _tag: "Fresh", refused, held, refreshAt: held.times.refreshAt, failures: 0, failure: undefined },
      command: Settle({ result, exit: held.header })
    }
  }
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (entry._tag === "Refreshing" && now < entry.held.times.usableUntil) {
    const { held } = entry
    const failures = entry.failures + 1
    const refreshAt = nextRefresh(now, held.times, failures, error?.retryAfterMillis ?? 0, chance)
    return {
      state: { _tag: "Fresh", refused, held, refreshAt, failures, failure: error },
      command: PutOff({ failures, usableUntil: held.times.usableUntil, cause: exit.cause })
    }
  }
  // It was tried once, and those who have come to wait meanwhile are owed the retries.
  if (entry._tag === "Fetching" && entry.request === "background") return fetch(entry, "first", result)
  return {
    state: error
      ? { _tag: "Failed", refused, error, until: now + failureLasts(policy, error) }
      : { _tag: "Empty", refused },
    command: Settle({ result, exit: Exit.failCause(exit.cause) })
  }
}

/** Databricks refused this header. */
export const refused = (entry: Entry, header: AuthHeader): Entry =>
  drop(entry, { _tag: "Refused", header }, (held) => hasHeader(held, header))

/** The credential has been replaced by this one. */
export const replaced = (entry: Entry, builtFrom: Redacted.Redacted<string>): Entry => {
  const outdated = { _tag: "Replaced", builtFrom } as const
  return entry._tag === "Fetching"
    ? { ...entry, outdated }
    : drop(entry, outdated, (held) => !Equal.equals(held.builtFrom, builtFrom))
}

/** The cache is closed. */
export const closed = (entry: Entry): Step<CommandOf<"Settle"> | undefined> => {
  const state: Entry = { _tag: "Empty", refused: entry.refused }
  if (!isInFlight(entry)) return { state, command: undefined }
  return {
    state,
    command: Settle({ result: entry.result, exit: Exit.fail(new AuthError({ reason: new AuthClosed() })) })
  }
}

const fetch = ({ refused }: Entry, request: "first" | "second", result: Result): Step<CommandOf<"Fetch">> => ({
  state: { _tag: "Fetching", refused, request, result, tries: undefined, outdated: undefined },
  command: Fetch({ refused, result })
})

const withoutToken = ({ refused, result, tries }: EntryOf<"Refreshing">, outdated: Outdated | undefined): Entry => ({
  _tag: "Fetching",
  refused,
  request: "background",
  result,
  tries,
  outdated
})

const drop = (entry: Entry, outdated: Outdated, when: (held: Held) => boolean): Entry => {
  if ((entry._tag !== "Fresh" && entry._tag !== "Refreshing") || !when(entry.held)) return entry
  if (entry._tag === "Fresh") return { _tag: "Empty", refused: true }
  return { ...withoutToken(entry, outdated), refused: true }
}

const hasHeader = ({ header }: Held, { authorization }: AuthHeader): boolean =>
  Equal.equals(header.value.authorization, authorization)

const isOutdated = (held: Held, outdated: Outdated | undefined): boolean => {
  if (outdated === undefined) return false
  return outdated._tag === "Refused"
    ? hasHeader(held, outdated.header)
    : !Equal.equals(held.builtFrom, outdated.builtFrom)
}
