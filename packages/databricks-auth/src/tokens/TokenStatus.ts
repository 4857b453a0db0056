/**
 * How one credential is doing, without its secrets; moments are in milliseconds since the epoch.
 */
import * as Schema from "effect/Schema"
import type { Progress } from "../endpoint/Token.ts"
import { Identity } from "../Identity.ts"
import type { Slot } from "./TokenEntries.ts"
import type { Entry } from "./TokenEntry.ts"
import type { Times } from "./TokenPolicy.ts"

/**
 * A credential's state and times.
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

/**
 * The status of what the cache keeps.
 */
export const statusOf = ({ credential: { identity }, lastUsedAt }: Slot, entry: Entry, now: number): TokenStatus => {
  switch (entry._tag) {
    case "Empty":
      return { identity, lastUsedAt, state: "empty" }
    case "Fetching":
      return { identity, lastUsedAt, state: "fetching", ...lastAnswer(entry.progress) }
    case "Fresh": {
      const { held, refreshAt, failures, failure } = entry
      const state = now < held.times.usableUntil ? "fresh" : "expired"
      const failing = { failure: failure?.message ?? "an unexpected error", retryAt: refreshAt }
      return { identity, lastUsedAt, state, ...moments(held.times, refreshAt), ...(failures === 0 ? {} : failing) }
    }
    case "Refreshing": {
      const { times } = entry.held
      const state = now < times.usableUntil ? "refreshing" : "fetching"
      return { identity, lastUsedAt, state, ...moments(times, times.refreshAt), ...lastAnswer(entry.progress) }
    }
    case "Failed":
      return now < entry.until
        ? { identity, lastUsedAt, state: "failed", failure: entry.error.message, retryAt: entry.until }
        : { identity, lastUsedAt, state: "empty" }
  }
}

const moments = ({ issuedAt, usableUntil, expiresAt }: Times, refreshAt: number) => ({
  issuedAt,
  refreshAt,
  usableUntil,
  expiresAt
})

const lastAnswer = (progress: Progress | undefined) =>
  progress?.lastAnswer === undefined ? {} : { failure: progress.lastAnswer }
