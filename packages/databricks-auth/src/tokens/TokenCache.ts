/**
 * Tokens by credential, in memory; `TokenEntry` draws their states. One request is in flight per credential, however
 * many callers wait; it belongs to the cache and not to the caller that began it, so a caller that goes away neither
 * fails nor restarts it for the others. A token is renewed ahead of its end by the first call that finds it due: an
 * identity that nobody asks for costs no request.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as MutableRef from "effect/MutableRef"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { AuthError } from "../AuthError.ts"
import type { AuthHeader, Credential } from "../Credential.ts"
import type { FailedTries, Token, Tries } from "../endpoint/Token.ts"
import {
  type Entry,
  type EntryOf,
  type Held,
  type InFlight,
  isInFlight,
  type Outdated,
  type Slot,
  statusOf,
  type TokenStatus
} from "./TokenEntry.ts"
import * as TokenEntries from "./TokenEntries.ts"
import { failureLasts, makePacer, nextRefresh, timesOf, TokenPolicy } from "./TokenPolicy.ts"

export type { TokenStatus }

export interface TokenCache {
  readonly get: (credential: Credential) => Effect.Effect<AuthHeader, AuthError>
  /** Drops the token, if it is still the one that was refused. */
  readonly invalidate: (credential: Credential, refused: AuthHeader) => Effect.Effect<void>
  /** Drops a token that was built from another credential than the one that is there now. */
  readonly retire: (credential: Credential, builtFrom: Redacted.Redacted<string>) => Effect.Effect<void>
  /** Progress of the token request that callers of `get` are waiting for; none when no request is in flight. */
  readonly progress: (credential: Credential) => Effect.Effect<Option.Option<FailedTries>>
  readonly status: Effect.Effect<ReadonlyArray<TokenStatus>>
}

/**
 * A cache over `acquire`, which is told whether the token it gave before was refused.
 */
export const make = Effect.fnUntraced(function* (
  acquire: (credential: Credential, refused: boolean, tries: Tries) => Effect.Effect<Token, AuthError>
): Effect.fn.Return<TokenCache, never, TokenEntries.TokenEntries | Scope.Scope> {
  const entries = yield* TokenEntries.TokenEntries
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const scope = yield* Effect.scope
  const policy = yield* TokenPolicy
  const pacer = makePacer()
  const now = () => clock.currentTimeMillisUnsafe()
  const chance = () => random.nextDoubleUnsafe()

  const slotOf = (credential: Credential): Slot => {
    const found = TokenEntries.find(entries, credential)
    if (found !== undefined) return found
    const entry = Ref.makeUnsafe<Entry>({ _tag: "Empty" })
    const slot: Slot = { credential, entry, lastUsedAt: now(), refused: false }
    TokenEntries.add(entries, slot, policy.capacity)
    return slot
  }

  // Retries are for those who wait. A refresh in the background has time: it is put off, and the token goes on.
  const request = (credential: Credential, slot: Slot, isWaitedFor: boolean): Effect.Effect<Held, AuthError> => {
    const asked = now()
    const tries: Tries = { isWaitedFor, onFailure: (tries) => updateInFlight(slot, { tries }) }
    return Effect.suspend(() => acquire(credential, slot.refused, tries)).pipe(
      Effect.map((token) => ({
        header: headerOf(token),
        builtFrom: token.builtFrom,
        times: timesOf(policy, asked, Duration.toMillis(token.lifetime), chance())
      }))
    )
  }

  /** What comes of a request's outcome: the next state, or `undefined` where it takes another request. */
  const next = (entry: Entry, exit: Exit.Exit<Held, AuthError>, which: Which): Entry | undefined => {
    if (Exit.isSuccess(exit)) {
      if (!which.isSecond && isOutdated(entry, exit.value)) return undefined
      const { refreshAt } = exit.value.times
      return { _tag: "Fresh", held: exit.value, refreshAt, failures: 0, failure: undefined }
    }
    const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
    if (which.isWaitedFor) {
      return error === undefined
        ? { _tag: "Empty" }
        : { _tag: "Failed", error, until: now() + failureLasts(policy, error) }
    }
    if (entry._tag !== "Refreshing" || now() >= entry.held.times.usableUntil || error === undefined) return undefined
    const failures = entry.failures + 1
    const refreshAt = nextRefresh(now(), entry.held.times, failures, error, chance())
    return { _tag: "Fresh", held: entry.held, refreshAt, failures, failure: error }
  }

  // The requests are made one after the other: one in the background whose failure somebody turns out to wait for is
  // followed by one with retries, and one whose token was outdated before it came, by another.
  const fetch = Effect.fnUntraced(function* (credential: Credential, slot: Slot, { result }: InFlight, which: Which) {
    let current = which
    for (;;) {
      const exit = yield* Effect.exit(request(credential, slot, current.isWaitedFor))
      const settled = next(Ref.getUnsafe(slot.entry), exit, current)
      if (settled === undefined) {
        current = { isWaitedFor: true, isSecond: Exit.isSuccess(exit) || current.isSecond }
        yield* updateInFlight(slot, untried)
        continue
      }
      setEntry(slot, settled)
      yield* Deferred.done(
        result,
        Exit.map(exit, ({ header }) => header.value)
      )
      return yield* settled._tag === "Fresh" && settled.failures === 1 ? warn(slot, settled) : Effect.void
    }
  })

  // Once per outage and token: as long as it lasts, nobody is harmed.
  const warn = ({ credential: { identity } }: Slot, { held, failure }: EntryOf<"Fresh">) => {
    const left = Duration.seconds(Math.round((held.times.usableUntil - now()) / 1000))
    return Effect.logWarning(
      `The token of ${identity.principal} for ${identity.instance} could not be renewed, and is good for another ` +
        `${Duration.format(left)}. ${failure?.message}`
    )
  }

  // However the fetch ended, also before it began: nobody waits for an answer that does not come.
  const abandon =
    (slot: Slot, { result }: InFlight) =>
    () => {
      if (Deferred.isDoneUnsafe(result)) return
      setEntry(slot, { _tag: "Empty" })
      Deferred.doneUnsafe(result, Exit.interrupt())
    }

  const begin = (credential: Credential, slot: Slot, entry: EntryOf<"Fetching"> | EntryOf<"Refreshing">) => {
    setEntry(slot, entry)
    pacer.count(now())
    return Effect.forkIn(
      fetch(credential, slot, entry, { isWaitedFor: entry._tag === "Fetching", isSecond: false }),
      scope
    ).pipe(Effect.andThen((fiber) => Effect.sync(() => fiber.addObserver(abandon(slot, entry)))))
  }

  const isDue = ({ held: { times }, refreshAt }: EntryOf<"Fresh">, at: number) =>
    at >= refreshAt && (at >= times.urgentAt || pacer.allows(at, TokenEntries.size(entries), times))

  // The state is read and written in one step, so that of two calls at once only one begins a request.
  const visit = (credential: Credential): Effect.Effect<AuthHeader, AuthError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const at = now()
        const slot = slotOf(credential)
        slot.lastUsedAt = at
        const entry = Ref.getUnsafe(slot.entry)
        const wait = ({ result }: InFlight) => restore(Deferred.await(result))
        const inFlight: InFlight = { result: Deferred.makeUnsafe(), ...untried }

        if (entry._tag === "Fresh" && at < entry.held.times.usableUntil) {
          const { held, failures } = entry
          if (!isDue(entry, at)) return held.header
          return Effect.andThen(
            begin(credential, slot, { _tag: "Refreshing", held, failures, ...inFlight }),
            held.header
          )
        }
        if (entry._tag === "Refreshing" && at < entry.held.times.usableUntil) return entry.held.header
        if (isInFlight(entry)) return wait(entry)
        if (entry._tag === "Failed" && at < entry.until) return Effect.fail(entry.error)
        return Effect.andThen(begin(credential, slot, { _tag: "Fetching", ...inFlight }), wait(inFlight))
      })
    )

  const drop = (credential: Credential, outdated: Outdated, when: (held: Held) => boolean) =>
    Effect.suspend(() => {
      const slot = TokenEntries.find(entries, credential)
      if (slot === undefined) return Effect.void
      return Ref.update(slot.entry, (entry): Entry => {
        if (entry._tag === "Fetching") return outdated._tag === "Replaced" ? { ...entry, outdated } : entry
        if ((entry._tag !== "Fresh" && entry._tag !== "Refreshing") || !when(entry.held)) return entry
        slot.refused = true
        if (entry._tag === "Fresh") return { _tag: "Empty" }
        const { result, tries } = entry
        return { _tag: "Fetching", result, tries, outdated }
      })
    })

  const sweep = Effect.sync(() => {
    TokenEntries.removeIdle(entries, now() - Duration.toMillis(policy.idleTimeToLive))
  })
  yield* Effect.forkScoped(Effect.repeat(sweep, Schedule.spaced(Duration.divideUnsafe(policy.idleTimeToLive, 4))))

  return {
    // The look-up happens when this is called, not when the effect runs: that is what makes a hit free of a fiber.
    get: (credential) => {
      const slot = TokenEntries.find(entries, credential)
      if (slot !== undefined) {
        const entry = Ref.getUnsafe(slot.entry)
        if (entry._tag === "Fresh") {
          const at = now()
          if (at < entry.refreshAt) {
            slot.lastUsedAt = at
            return entry.held.header
          }
        }
      }
      return visit(credential)
    },
    invalidate: (credential, refused) =>
      drop(credential, { _tag: "Refused", header: refused }, ({ header }) => header.value === refused),
    retire: (credential, builtFrom) =>
      drop(credential, { _tag: "Replaced", builtFrom }, (held) => !Equal.equals(held.builtFrom, builtFrom)),
    progress: (credential) =>
      Effect.sync(() => {
        const slot = TokenEntries.find(entries, credential)
        const entry = slot && Ref.getUnsafe(slot.entry)
        return entry && isInFlight(entry) ? Option.fromUndefinedOr(entry.tries) : Option.none()
      }),
    status: Effect.sync(() => TokenEntries.all(entries).map((slot) => statusOf(slot, now())))
  }
})

/** A request, and what is expected of it. */
interface Which {
  readonly isWaitedFor: boolean
  /** It follows one whose token was outdated before it came. A third is not made. */
  readonly isSecond: boolean
}

const untried = { tries: undefined, outdated: undefined }

// In one step with the decision that led to it: another fiber may come between two.
const setEntry = (slot: Slot, entry: Entry): void => {
  MutableRef.set(slot.entry.ref, entry)
}

const updateInFlight = (slot: Slot, change: Partial<InFlight>): Effect.Effect<void> =>
  Ref.update(slot.entry, (entry) => (isInFlight(entry) ? { ...entry, ...change } : entry))

const headerOf = ({ value }: Token): Held["header"] =>
  Exit.succeed({
    authorization: Redacted.make(`Bearer ${Redacted.value(value)}`, { label: "authorization" })
  }) as Held["header"]

const isOutdated = (entry: Entry, held: Held): boolean => {
  if (!isInFlight(entry) || entry.outdated === undefined) return false
  return entry.outdated._tag === "Refused"
    ? Equal.equals(entry.outdated.header.authorization, held.header.value.authorization)
    : !Equal.equals(entry.outdated.builtFrom, held.builtFrom)
}
