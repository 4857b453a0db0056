/**
 * The slots of the cache, one for each credential: at most as many as its capacity, and none that has been idle for long.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Layer from "effect/Layer"
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import type { Credential } from "../Credential.ts"
import { type Entry, isInFlight } from "./TokenEntry.ts"

/** A credential's place in the cache. */
export interface Slot {
  readonly credential: Credential
  readonly entry: Ref.Ref<Entry>
  lastUsedAt: number
  /** What it counts for, since it was last weighed. */
  weight?: number
}

/** Why a slot leaves: there are too many, they are too large together, or nobody asked for it. */
export type Why = "capacity" | "weight" | "idle"

class StoredKey extends Data.Class<{ readonly identity: string; readonly token: Redacted.Redacted<string> }> {}

const storedKey = (identity: string, token: Redacted.Redacted<string>) => new StoredKey({ identity, token })

/**
 * The cache's state, a service so that tests and tools can look at it. The two indexes are mutable: the look-up is what
 * a cached header costs.
 */
export class TokenEntries extends Context.Service<
  TokenEntries,
  {
    readonly byIdentity: Map<string, Slot>
    /** Runs that go on with the token that their metadata stores. */
    readonly byStoredToken: MutableHashMap.MutableHashMap<StoredKey, Slot>
    sweptAt: number
    weight: number
    /** How many have left, by why. */
    readonly evicted: Record<Why, number>
  }
>()("@flyte-databricks/databricks-auth/tokens/TokenEntries") {}

type Entries = TokenEntries["Service"]

export const layer: Layer.Layer<TokenEntries> = Layer.sync(TokenEntries, () => ({
  byIdentity: new Map(),
  byStoredToken: MutableHashMap.empty<StoredKey, Slot>(),
  sweptAt: 0,
  weight: 0,
  evicted: { capacity: 0, weight: 0, idle: 0 }
}))

/**
 * How many characters of keys, tokens and what they were built from are kept in all. Ten thousand identities have less; a
 * few that others make as long as they may, have more.
 */
export const maxWeight = 28 * 1024 * 1024

export const find = (entries: Entries, { identity, storedToken }: Credential): Slot | undefined =>
  storedToken === undefined
    ? entries.byIdentity.get(identity.key)
    : Option.getOrUndefined(MutableHashMap.get(entries.byStoredToken, storedKey(identity.key, storedToken)))

/** The state of a slot, read without a fiber: a hit has none, and room is made in one step. */
export const peek = ({ entry }: Slot): Entry => Ref.getUnsafe(entry)

export const size = ({ byIdentity, byStoredToken }: Entries): number =>
  byIdentity.size + MutableHashMap.size(byStoredToken)

export const all = ({ byIdentity, byStoredToken }: Entries): ReadonlyArray<Slot> => [
  ...byIdentity.values(),
  ...MutableHashMap.values(byStoredToken)
]

/** Adds a slot; where there is no room for it, the least recently used ones leave. */
export const add = (entries: Entries, slot: Slot, capacity: number): void => {
  const excess = size(entries) + 1 - capacity
  if (excess > 0)
    leastRecentlyUsed(all(entries).filter(isSettled), excess).forEach((slot) => remove(entries, slot, "capacity"))
  const { identity, storedToken } = slot.credential
  if (storedToken === undefined) entries.byIdentity.set(identity.key, slot)
  else MutableHashMap.set(entries.byStoredToken, storedKey(identity.key, storedToken), slot)
  weigh(entries, slot)
}

/** Weighs a slot whose entry has changed; where all together are too much, the least recently used ones leave. */
export const weigh = (entries: Entries, slot: Slot): void => {
  if (find(entries, slot.credential) !== slot) return
  const before = slot.weight ?? 0
  slot.weight = weightOf(slot)
  entries.weight += slot.weight - before
  if (entries.weight <= maxWeight) return
  // Some room is left, so that it is not looked for each time.
  for (const other of all(entries)
    .filter(isSettled)
    .toSorted((one, two) => one.lastUsedAt - two.lastUsedAt)) {
    if (entries.weight <= maxWeight * 0.9) return
    if (other !== slot) remove(entries, other, "weight")
  }
}

const weightOf = ({ credential: { identity, storedToken }, entry }: Slot): number => {
  const state = Ref.getUnsafe(entry)
  const held = "held" in state ? [state.held.header.value.authorization, state.held.builtFrom] : []
  const secrets = storedToken === undefined ? held : [storedToken, ...held]
  return secrets.reduce((sum, secret) => sum + Redacted.value(secret).length, identity.key.length)
}

/**
 * Removes what nobody has asked for during this time (in milliseconds). It looks only where a quarter of that time has
 * passed since it last did.
 */
export const sweep = (entries: Entries, now: number, idleTimeToLive: number): void => {
  if (now < entries.sweptAt + idleTimeToLive / 4) return
  entries.sweptAt = now
  all(entries)
    .filter((slot) => isSettled(slot) && slot.lastUsedAt <= now - idleTimeToLive)
    .forEach((slot) => remove(entries, slot, "idle"))
}

const remove = (entries: Entries, slot: Slot, why: Why): void => {
  entries.evicted[why] += 1
  const { identity, storedToken } = slot.credential
  entries.weight -= slot.weight ?? 0
  if (storedToken === undefined) entries.byIdentity.delete(identity.key)
  else MutableHashMap.remove(entries.byStoredToken, storedKey(identity.key, storedToken))
}

// A slot whose request is in flight stays, or the next caller would begin another request. So there may be more slots than
// the capacity, as long as so many requests are in flight.
const isSettled = (slot: Slot): boolean => !isInFlight(peek(slot))

const leastRecentlyUsed = (slots: ReadonlyArray<Slot>, count: number): ReadonlyArray<Slot> => {
  if (count > 1) return slots.toSorted((one, other) => one.lastUsedAt - other.lastUsedAt).slice(0, count)
  return slots.length === 0 ? [] : [slots.reduce((one, other) => (other.lastUsedAt < one.lastUsedAt ? other : one))]
}
