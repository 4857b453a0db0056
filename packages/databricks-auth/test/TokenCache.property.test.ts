import { type AuthError, TokenCache } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Cause, Clock, Effect, Exit, Fiber, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import { bearer, credentialOf, outage, token } from "./support/tokens.ts"

const key = Schema.Literals(["a", "b"])
const index = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))

const Call = Schema.TaggedStruct("Call", { key })

/** What may happen to a cache, in any order; calls most of all. */
const Event = Schema.Union([
  Call,
  Call,
  Call,
  Schema.TaggedStruct("Interrupt", { caller: index }),
  Schema.TaggedStruct("Pass", { millis: Schema.Literals([1, 500, 4_999, 5_000, 20_000, 60_000, 3_600_000]) }),
  Schema.TaggedStruct("Refuse", { key, header: index }),
  Schema.TaggedStruct("Rotate", { key }),
  Schema.TaggedStruct("Behave", {
    key,
    outcome: Schema.Literals(["grant", "grant", "grant", "grant", "fail", "die", "throw"]),
    delay: Schema.Literals([0, 500, 5_000, 30_000]),
    lifetime: Schema.Literals([1_000, 40_000, 60_000, 3_600_000])
  })
])
type Event = typeof Event.Type
type Key = typeof key.Type

/** What a cache has to know of one key, and nothing else. */
interface Model {
  state:
    | { readonly is: "none"; readonly refused: boolean }
    | { readonly is: "fetching"; readonly refused: boolean; readonly asked: number }
    | {
        readonly is: "fresh"
        readonly refused: boolean
        readonly until: number
        readonly token: string
        readonly secret: number
      }
  requests: number
}

const buffer = 40_000

/** Lets these events happen to a real cache and to the model, and compares them after each. */
const play = Effect.fnUntraced(function* (events: ReadonlyArray<Event>) {
  const models: Record<Key, Model> = {
    a: { state: { is: "none", refused: false }, requests: 0 },
    b: { state: { is: "none", refused: false }, requests: 0 }
  }
  const secrets: Record<Key, number> = { a: 0, b: 0 }
  const behaviour: Record<Key, Omit<Extract<Event, { _tag: "Behave" }>, "_tag" | "key">> = {
    a: { outcome: "grant", delay: 500, lifetime: 60_000 },
    b: { outcome: "grant", delay: 500, lifetime: 60_000 }
  }
  const requests: Record<Key, number> = { a: 0, b: 0 }
  const inFlight: Record<Key, number> = { a: 0, b: 0 }
  const expiries = new Map<string, number>()
  const dropped = new Set<string>()
  const headers: Record<Key, Array<TokenCache.AuthHeader>> = { a: [], b: [] }
  const callers: Array<{ readonly fiber: Fiber.Fiber<unknown, AuthError.AuthError>; interrupted: boolean }> = []
  const tally = { grants: 0, hits: 0, failures: 0 }

  const keyOf = ({ identity }: TokenCache.Credential): Key =>
    identity.key === credentialOf("a").identity.key ? "a" : "b"

  const acquire = (credential: TokenCache.Credential, refused: boolean) => {
    const key = keyOf(credential)
    const model = models[key]
    requests[key] += 1
    assert.strictEqual(model.state.is, "fetching", "asked for a token that nobody lacks")
    assert.strictEqual(refused, model.state.refused, "told wrongly whether the token before was refused")
    const { outcome, delay, lifetime } = behaviour[key]
    const secret = secrets[key]
    const asked = model.state.is === "fetching" ? model.state.asked : Number.NaN
    const end = (state: Model["state"]) => {
      model.state = state
    }
    if (outcome === "throw") {
      end({ is: "none", refused })
      throw new Error("bug")
    }
    return Effect.gen(function* () {
      inFlight[key] += 1
      assert.strictEqual(inFlight[key], 1, "two requests in flight for one key")
      yield* Effect.sleep(delay)
      inFlight[key] -= 1
      if (outcome !== "grant") {
        end({ is: "none", refused })
        tally.failures += 1
        return yield* outcome === "die" ? Effect.die(new Error("bug")) : Effect.fail(outage)
      }
      tally.grants += 1
      const value = `${key}${requests[key]}`
      expiries.set(value, (yield* Clock.currentTimeMillis) + lifetime)
      const usable = lifetime > buffer ? lifetime - buffer : lifetime
      end({ is: "fresh", refused, until: asked + usable, token: value, secret })
      return token(value, lifetime, String(secret))
    })
  }
  const cache = yield* TokenCache.make(acquire)

  const call = Effect.fnUntraced(function* (key: Key) {
    const now = yield* Clock.currentTimeMillis
    const model = models[key]
    if (model.state.is === "fresh" && now < model.state.until) {
      const hit = cache.get(credentialOf(key))
      assert.isTrue(Exit.isExit(hit), "a token that is there took a request")
      tally.hits += 1
    } else if (model.state.is !== "fetching") {
      model.state = { is: "fetching", refused: model.state.refused, asked: now }
      model.requests += 1
    }
    const droppedBefore = new Set(dropped)
    const fiber = yield* Effect.suspend(() => cache.get(credentialOf(key))).pipe(
      Effect.tap((header) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          const value = bearer(header).slice("Bearer ".length)
          assert.strictEqual(value[0], key, "a foreign token")
          assert.isBelow(at, expiries.get(value)!, "an expired token")
          assert.isFalse(droppedBefore.has(value), "a token that was dropped before the call")
          headers[key].push(header)
        })
      ),
      Effect.forkChild({ startImmediately: true })
    )
    callers.push({ fiber, interrupted: false })
  })

  const drop = (key: Key, when: (token: string, secret: number) => boolean) => {
    const { state } = models[key]
    if (state.is !== "fresh" || !when(state.token, state.secret)) return
    dropped.add(state.token)
    models[key].state = { is: "none", refused: true }
  }

  const happen = Effect.fnUntraced(function* (event: Event) {
    switch (event._tag) {
      case "Call":
        return yield* call(event.key)
      case "Interrupt": {
        const caller = callers.at(-1 - event.caller)
        if (caller === undefined) return
        caller.interrupted = true
        return yield* Fiber.interrupt(caller.fiber)
      }
      case "Pass":
        return yield* TestClock.adjust(event.millis)
      case "Refuse": {
        const header = headers[event.key].at(-1 - event.header)
        if (header === undefined) return
        drop(event.key, (token) => `Bearer ${token}` === bearer(header))
        return yield* cache.invalidate(credentialOf(event.key), header)
      }
      case "Rotate": {
        secrets[event.key] += 1
        drop(event.key, (_, secret) => secret !== secrets[event.key])
        return yield* cache.retire(credentialOf(event.key), Redacted.make(String(secrets[event.key])))
      }
      case "Behave":
        behaviour[event.key] = event
    }
  })

  for (const event of events) {
    yield* happen(event)
    yield* TestClock.adjust(0)
    assert.deepStrictEqual(requests, { a: models.a.requests, b: models.b.requests }, `requests after ${event._tag}`)
  }
  yield* TestClock.adjust("1 minute")
  for (const { fiber, interrupted } of callers) {
    const exit = yield* Fiber.await(fiber)
    if (Exit.isSuccess(exit)) continue
    if (interrupted && Cause.hasInterrupts(exit.cause)) continue
    const isOurs = exit.cause.reasons.every((reason) =>
      reason._tag === "Fail" ? reason.error === outage : reason._tag === "Die" && String(reason.defect) === "Error: bug"
    )
    assert.isTrue(isOurs, Cause.pretty(exit.cause))
  }
  return tally
})

const events = Arbitrary.array(Arbitrary.schema(Event), { maxLength: 60 })

describe("whatever happens, in whatever order, to callers, the clock, the source and the credential", () => {
  it.effect.prop(
    "nobody gets an expired, a foreign or a dropped token, nothing is asked twice, and everybody gets an answer",
    { events },
    ({ events }) => play(events).pipe(Effect.asVoid, Effect.scoped, Effect.provide(TokenCache.layerEntries)),
    { arbitrary: { runs: 500, size: 60 }, timeout: 60_000 }
  )

  it.effect("and enough does happen for this to mean something", () =>
    Effect.gen(function* () {
      const samples = yield* Arbitrary.sampleEffect(events, { count: 100, size: 60, seed: 1 })
      const tallies = yield* Effect.forEach(samples, (sample) =>
        play(sample).pipe(Effect.scoped, Effect.provide(TokenCache.layerEntries, { local: true }))
      )
      for (const what of ["grants", "hits", "failures"] as const) {
        assert.isAbove(
          tallies.reduce((sum, tally) => sum + tally[what], 0),
          50,
          what
        )
      }
    })
  )
})
