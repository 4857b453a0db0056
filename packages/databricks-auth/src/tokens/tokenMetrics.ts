/**
 * What the cache shows of itself. It is counted when somebody looks, so that a cached header costs what it did.
 */
import * as Effect from "effect/Effect"
import * as Record from "effect/Record"
import type * as Scope from "effect/Scope"
import { AuthType } from "../Identity.ts"
import * as MetricFamily from "../telemetry/MetricFamily.ts"
import * as TokenEntries from "./TokenEntries.ts"
import { statusOf, TokenStatus } from "./TokenStatus.ts"

/** Renewals that failed while nobody waited. */
export const refreshFailures = MetricFamily.counters<"auth_type">(
  "flyte_databricks_token_refresh_failures_total",
  "Renewals in the background that failed, while the token lasts"
)

const tokens = "flyte_databricks_tokens"
const expiry = "flyte_databricks_token_expiry_timestamp_seconds"
const evictions = "flyte_databricks_token_evictions_total"

interface Tally {
  readonly numbers: ReadonlyMap<string, number>
  readonly soonest: ReadonlyMap<AuthType, number>
}

const tally = (slots: ReadonlyArray<TokenEntries.Slot>, now: number): Tally => {
  const numbers = new Map<string, number>()
  const soonest = new Map<AuthType, number>()
  for (const slot of slots) {
    const { authType } = slot.credential.identity
    const entry = TokenEntries.peek(slot)
    const kind = `${authType} ${statusOf(slot, entry, now).state}`
    numbers.set(kind, (numbers.get(kind) ?? 0) + 1)
    if (!("held" in entry)) continue
    const { refreshAt, expiresAt } = entry.held.times
    // Who asks for a token that is due has it renewed. One that nobody asks for just ends.
    if (now >= refreshAt && slot.lastUsedAt < refreshAt) continue
    soonest.set(authType, Math.min(soonest.get(authType) ?? Infinity, expiresAt))
  }
  return { numbers, soonest }
}

/**
 * Shows these entries, for as long as the scope is open.
 */
export const show = (
  entries: TokenEntries.TokenEntries["Service"],
  now: () => number
): Effect.Effect<void, never, Scope.Scope> => {
  // Who reads one reads them all, and at once: there is one look at the entries for all of them.
  let last: Tally | undefined
  const look = (): Tally => {
    if (last === undefined) {
      last = tally(TokenEntries.all(entries), now())
      queueMicrotask(() => (last = undefined))
    }
    return last
  }
  const ofTypes = Effect.forEach(AuthType.literals, (authType) =>
    Effect.gen(function* () {
      for (const state of TokenStatus.fields.state.literals) {
        const number = () => look().numbers.get(`${authType} ${state}`) ?? 0
        const labels = { auth_type: authType, state }
        yield* MetricFamily.observed(tokens, "Credentials in the cache", labels, number)
      }
      yield* MetricFamily.zero(refreshFailures({ auth_type: authType }))
      // A PAT is read again after a while, and when it ends, Databricks alone knows.
      if (authType === "pat") return
      const soonest = () => (look().soonest.get(authType) ?? Number.NaN) / 1000
      yield* MetricFamily.observed(expiry, "When the first of the tokens in use ends", { auth_type: authType }, soonest)
    })
  )
  const ofWhys = Effect.forEach(Record.keys(entries.evicted), (reason) =>
    MetricFamily.counted(evictions, "Credentials that left the cache", { reason }, () => entries.evicted[reason])
  )
  return Effect.asVoid(Effect.andThen(ofTypes, ofWhys))
}
