/**
 * Tokens by credential, in memory. One request is in flight per key, however many callers wait; it belongs to the
 * cache and not to the caller that began it, so a caller that goes away neither fails nor restarts it for the others.
 *
 *     (none) ──get──▶ Fetching ──success──▶ Fresh ──time──▶ (expired: as none)
 *        ▲               │ failure             │ invalidate, retire
 *        └───────────────┴─────────────────────┘
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import type { AuthError } from "./AuthError.ts"
import type { Token } from "./AuthMode.ts"
import type { Identity } from "./Identity.ts"

/**
 * What a call to Databricks carries. It stays `Redacted` until the request is built.
 */
export interface AuthHeader {
  readonly authorization: Redacted.Redacted<string>
}

/**
 * What a token is for: an identity, and, for a run submitted with a PAT, the token that the job's metadata stores.
 */
export interface Credential {
  readonly identity: Identity
  readonly storedToken?: Redacted.Redacted<string>
}

class StoredKey extends Data.Class<{ readonly identity: string; readonly token: Redacted.Redacted<string> }> {}

type Key = string | StoredKey

const keyOf = ({ identity, storedToken }: Credential): Key =>
  storedToken === undefined ? identity.key : new StoredKey({ identity: identity.key, token: storedToken })

interface Fetching {
  readonly _tag: "Fetching"
  readonly result: Deferred.Deferred<AuthHeader, AuthError>
}

interface Fresh {
  readonly _tag: "Fresh"
  /** Success, ready to be returned: an `Exit` is an `Effect` that needs no fiber. */
  readonly header: Exit.Success<AuthHeader, AuthError>
  readonly usableUntil: number
  readonly builtFrom: Redacted.Redacted<string>
  /** The token before it was refused, and with it what it was built from. */
  readonly afterRefusal: boolean
}

/** The token was refused or its credential replaced; the next one is built from what is there now. */
interface Refused {
  readonly _tag: "Refused"
}

export type Entry = Fetching | Fresh | Refused

/**
 * The cache's state, a service so that tests and tools can look at it.
 */
export class TokenEntries extends Context.Service<TokenEntries, Ref.Ref<HashMap.HashMap<Key, Entry>>>()(
  "@flyte-databricks/databricks-auth/TokenEntries"
) {}

export const layerEntries: Layer.Layer<TokenEntries> = Layer.effect(TokenEntries, Ref.make(HashMap.empty()))

/**
 * How long before its end a token is no longer used. Azure refuses tokens with 30 seconds or less left.
 */
export const ExpiryBuffer = Context.Reference<Duration.Input>("@flyte-databricks/databricks-auth/ExpiryBuffer", {
  defaultValue: () => "40 seconds"
})

/**
 * How many tokens are kept; the one that ends first makes room.
 */
export const CacheCapacity = Context.Reference<number>("@flyte-databricks/databricks-auth/CacheCapacity", {
  defaultValue: () => 10_000
})

export interface TokenCache {
  readonly get: (credential: Credential) => Effect.Effect<AuthHeader, AuthError>
  /** Drops the token, if it is still the one that was refused. */
  readonly invalidate: (credential: Credential, refused: AuthHeader) => Effect.Effect<void>
  /** Drops a token that was built from another credential than the one that is there now. */
  readonly retire: (credential: Credential, builtFrom: Redacted.Redacted<string>) => Effect.Effect<void>
}

/**
 * A cache over `acquire`, which is told whether the token it gave before was refused.
 */
export const make = Effect.fnUntraced(function* (
  acquire: (credential: Credential, refused: boolean) => Effect.Effect<Token, AuthError>
): Effect.fn.Return<TokenCache, never, TokenEntries | Scope.Scope> {
  const entries = yield* TokenEntries
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const buffer = Duration.toMillis(yield* ExpiryBuffer)
  const capacity = yield* CacheCapacity

  const fresh = (entry: Option.Option<Entry>): Exit.Success<AuthHeader, AuthError> | undefined =>
    Option.isSome(entry) && entry.value._tag === "Fresh" && clock.currentTimeMillisUnsafe() < entry.value.usableUntil
      ? entry.value.header
      : undefined

  // Only the fetch that the entry still stands for may replace it: a late answer never overwrites a newer token.
  const settle = (key: Key, result: Fetching["result"], next: Option.Option<Entry>) =>
    Ref.update(entries, (all) => {
      const current = HashMap.get(all, key)
      if (Option.isNone(current) || current.value._tag !== "Fetching" || current.value.result !== result) return all
      return Option.isSome(next) ? HashMap.set(all, key, next.value) : HashMap.remove(all, key)
    })

  const fetch = Effect.fnUntraced(function* (
    credential: Credential,
    key: Key,
    result: Fetching["result"],
    refused: boolean
  ) {
    // The lifetime counts from before the request: the time that the answer took is not ours to use.
    const asked = clock.currentTimeMillisUnsafe()
    const exit = yield* Effect.suspend(() => acquire(credential, refused)).pipe(
      Effect.map((token) => freshOf(token, asked, buffer, refused)),
      Effect.exit
    )
    const onFailure = refused ? Option.some<Entry>({ _tag: "Refused" }) : Option.none()
    yield* settle(key, result, Exit.isSuccess(exit) ? Option.some(exit.value) : onFailure)
    yield* Deferred.done(
      result,
      Exit.map(exit, ({ header }) => header.value)
    )
  })

  // However the fetch ended, also before it began: nobody waits for an answer that does not come.
  const abandon = (key: Key, result: Fetching["result"]) => () => {
    if (Deferred.isDoneUnsafe(result)) return
    Effect.runSync(settle(key, result, Option.none()))
    Deferred.doneUnsafe(result, Exit.interrupt())
  }

  const join = (credential: Credential, key: Key) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const result = Deferred.makeUnsafe<AuthHeader, AuthError>()
        const before = HashMap.get(Ref.getUnsafe(entries), key)
        const header = fresh(before)
        if (header !== undefined) return header
        if (Option.isSome(before) && before.value._tag === "Fetching")
          return restore(Deferred.await(before.value.result))
        return Ref.update(entries, (all) =>
          HashMap.set(HashMap.has(all, key) ? all : makeRoom(all, capacity), key, { _tag: "Fetching", result })
        ).pipe(
          Effect.andThen(Effect.forkIn(fetch(credential, key, result, wasRefused(before)), scope)),
          Effect.andThen((fiber) => Effect.sync(() => fiber.addObserver(abandon(key, result)))),
          Effect.andThen(restore(Deferred.await(result)))
        )
      })
    )

  const drop = (credential: Credential, when: (entry: Fresh) => boolean) => {
    const key = keyOf(credential)
    return Ref.update(entries, (all) => {
      const entry = HashMap.get(all, key)
      return Option.isSome(entry) && entry.value._tag === "Fresh" && when(entry.value)
        ? HashMap.set(all, key, { _tag: "Refused" })
        : all
    })
  }

  return {
    // The look-up happens when this is called, not when the effect runs: that is what makes a hit free of a fiber.
    get: (credential) => {
      const key = keyOf(credential)
      return fresh(HashMap.get(Ref.getUnsafe(entries), key)) ?? join(credential, key)
    },
    invalidate: (credential, refused) => drop(credential, ({ header }) => header.value === refused),
    retire: (credential, builtFrom) => drop(credential, (entry) => !Equal.equals(entry.builtFrom, builtFrom))
  }
})

const wasRefused = (entry: Option.Option<Entry>): boolean =>
  Option.isSome(entry) && (entry.value._tag === "Refused" || (entry.value._tag === "Fresh" && entry.value.afterRefusal))

const freshOf = (token: Token, asked: number, buffer: number, afterRefusal: boolean): Fresh => ({
  _tag: "Fresh",
  header: Exit.succeed({
    authorization: Redacted.make(`Bearer ${Redacted.value(token.value)}`, { label: "authorization" })
  }) as Exit.Success<AuthHeader, AuthError>,
  usableUntil: asked + usableFor(Duration.toMillis(token.lifetime), buffer),
  builtFrom: token.builtFrom,
  afterRefusal
})

// A token that lives no longer than the buffer is used until it ends; otherwise each call would ask for a new one.
const usableFor = (lifetime: number, buffer: number): number => (lifetime > buffer ? lifetime - buffer : lifetime)

// A fetch on its way stays, or the next caller would begin another: as long as there are more of them than there is
// room, there are more entries.
const makeRoom = (all: HashMap.HashMap<Key, Entry>, capacity: number): HashMap.HashMap<Key, Entry> => {
  if (HashMap.size(all) < capacity) return all
  const settled = [...HashMap.entries(all)].flatMap(([key, entry]) =>
    entry._tag === "Fetching" ? [] : [{ key, end: entry._tag === "Fresh" ? entry.usableUntil : 0 }]
  )
  const leaving = settled.toSorted((one, other) => one.end - other.end).slice(0, HashMap.size(all) - capacity + 1)
  return HashMap.removeMany(
    all,
    leaving.map(({ key }) => key)
  )
}
