/**
 * What the cache knows of one credential. A credential has one `Ref`, and the states in it are these:
 *
 *                             ┌───────────── failed ─────────────┐
 *                             ▼                                  │
 *     Empty ──get──▶ Fetching ──succeeded──▶ Fresh ──get, due──▶ Refreshing ──succeeded──▶ Fresh
 *       ▲   ▲           │  ▲                 │  ▲                  │  │
 *       │   │         failed└──get── Expired ◀──time                │  └──failed, token still usable──▶ Fresh
 *       │   │           ▼                    │                      │        (the next try is put off)
 *       │   └──time── Failed                 │ refused, replaced    │ refused, replaced, time
 *       │                                    │                      ▼
 *       └────────────────────────────────────┘                   Fetching
 *
 * `Expired` is what time makes of `Fresh`, so it is never written. In `Fetching` callers wait; in `Fresh` and
 * `Refreshing` they do not; in `Failed` they hear the failure again. A request is in flight in `Fetching` and
 * `Refreshing` alone, and only it ends these two: so there is one at a time, and none can be late.
 */
import type * as Deferred from "effect/Deferred"
import type * as Exit from "effect/Exit"
import type * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import type { AuthError } from "../AuthError.ts"
import type { AuthHeader, Credential } from "../Credential.ts"
import type { FailedTries } from "../endpoint/Token.ts"
import { Identity } from "../Identity.ts"
import type { Times } from "./TokenPolicy.ts"

/** A token in hand. */
export interface Held {
  /** Success, ready to be returned: an `Exit` is an `Effect` that needs no fiber. */
  readonly header: Exit.Success<AuthHeader, AuthError>
  readonly builtFrom: Redacted.Redacted<string>
  readonly times: Times
}

/** A request under way. */
export interface InFlight {
  readonly result: Deferred.Deferred<AuthHeader, AuthError>
  readonly tries: FailedTries | undefined
  /** What was learnt since it began that may make its token the wrong one. */
  readonly outdated: Outdated | undefined
}

export type Outdated =
  | { readonly _tag: "Refused"; readonly header: AuthHeader }
  | { readonly _tag: "Replaced"; readonly builtFrom: Redacted.Redacted<string> }

export type Entry =
  | { readonly _tag: "Empty" }
  | ({ readonly _tag: "Fetching" } & InFlight)
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
  | {
      readonly _tag: "Failed"
      readonly error: AuthError
      readonly until: number
    }

export type EntryOf<Tag extends Entry["_tag"]> = Extract<Entry, { readonly _tag: Tag }>

export const isInFlight = (entry: Entry): entry is EntryOf<"Fetching"> | EntryOf<"Refreshing"> =>
  entry._tag === "Fetching" || entry._tag === "Refreshing"

/** A credential's place in the cache. */
export interface Slot {
  readonly credential: Credential
  readonly entry: Ref.Ref<Entry>
  lastUsedAt: number
  /** A token was refused, or its credential replaced: what the job's metadata stores is not tried again. */
  refused: boolean
}

/**
 * How one credential is doing, without its secrets; moments are in milliseconds since the epoch.
 */
export const TokenStatus = Schema.Struct({
  identity: Identity,
  state: Schema.Literals(["empty", "fetching", "fresh", "refreshing", "expired", "failed"]),
  lastUsedAt: Schema.Finite,
  issuedAt: Schema.optionalKey(Schema.Finite),
  refreshAt: Schema.optionalKey(Schema.Finite),
  usableUntil: Schema.optionalKey(Schema.Finite),
  expiresAt: Schema.optionalKey(Schema.Finite),
  /** What the last request failed with, and when the next is made at the earliest. */
  failure: Schema.optionalKey(Schema.String),
  retryAt: Schema.optionalKey(Schema.Finite)
})
export type TokenStatus = typeof TokenStatus.Type

export const statusOf = ({ credential, entry, lastUsedAt }: Slot, now: number): TokenStatus => {
  const current = Ref.getUnsafe(entry)
  const slot = { identity: credential.identity, lastUsedAt }
  switch (current._tag) {
    case "Empty":
      return { ...slot, state: "empty" }
    case "Fetching":
      return { ...slot, state: "fetching", ...lastAnswer(current) }
    case "Fresh":
      return {
        ...slot,
        ...momentsOf(current.held.times, current.refreshAt),
        state: now < current.held.times.usableUntil ? "fresh" : "expired",
        ...(current.failure === undefined ? {} : { failure: current.failure.message, retryAt: current.refreshAt })
      }
    case "Refreshing": {
      const { times } = current.held
      const state = now < times.usableUntil ? ("refreshing" as const) : ("fetching" as const)
      return { ...slot, ...momentsOf(times, times.refreshAt), state, ...lastAnswer(current) }
    }
    case "Failed":
      return now < current.until
        ? { ...slot, state: "failed", failure: current.error.message, retryAt: current.until }
        : { ...slot, state: "empty" }
  }
}

const momentsOf = ({ issuedAt, usableUntil, expiresAt }: Times, refreshAt: number) => ({
  issuedAt,
  refreshAt,
  usableUntil,
  expiresAt
})

const lastAnswer = ({ tries }: InFlight) => (tries === undefined ? {} : { failure: tries.lastAnswer })
