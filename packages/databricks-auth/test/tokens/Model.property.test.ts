import {
  type AuthError,
  type Credential,
  TokenCache,
  TokenEntries,
  TokenPolicy
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Cause, Clock, Duration, Effect, Exit, Fiber, Layer, Random, Redacted, Ref, Schema } from "effect"
import { TestClock } from "effect/testing"
import { bearer, credentialOf, outage, policy, token } from "../support/tokens.ts"
import { TokenModel } from "./TokenModel.ts"

// Two identities, and a run of one of them that goes on with the token that its metadata stores.
const credentials = { a: credentialOf("a"), b: credentialOf("b"), s: credentialOf("a", "dapi") }
type Key = keyof typeof credentials
const keys: ReadonlyArray<Key> = ["a", "b", "s"]

const keyOf = ({ identity, storedToken }: Credential.Credential): Key =>
  storedToken === undefined ? (identity.key === credentials.a.identity.key ? "a" : "b") : "s"

const key = Schema.Literals(keys)
const index = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))
const Call = Schema.TaggedStruct("Call", { key })
const Pass = Schema.TaggedStruct("Pass", {
  millis: Schema.Literals([1, 999, 1_000, 5_000, 25_000, 25_000, 300_000, 3_600_000])
})

/** What may happen to a cache, in any order; calls most of all. */
const Event = Schema.Union([
  Call,
  Call,
  Call,
  Call,
  Pass,
  Pass,
  Schema.TaggedStruct("Interrupt", { caller: index }),
  Schema.TaggedStruct("Refuse", { key, header: index }),
  Schema.TaggedStruct("Rotate", { key }),
  Schema.TaggedStruct("Roll", { chance: Schema.Literals([0, 0.3, 0.5, 0.999]) }),
  Schema.TaggedStruct("Behave", {
    key,
    outcome: Schema.Literals(["grant", "grant", "grant", "grant", "repeat", "fail", "fail", "die", "throw"]),
    delay: Schema.Literals([0, 500, 500, 5_000, 30_000, 400_000]),
    lifetime: Schema.Literals([1_000, 40_000, 60_000, 90_000, 600_000, 600_000])
  })
])
type Event = typeof Event.Type
type Behaviour = Omit<Extract<Event, { _tag: "Behave" }>, "_tag" | "key">

const perKey = <A>(make: (key: Key) => A): Record<Key, A> => ({ a: make("a"), b: make("b"), s: make("s") })

/** Lets these events happen to a real cache and to the model, and compares them after each. */
const play = Effect.fnUntraced(function* (events: ReadonlyArray<Event>, dice: { chance: number }) {
  const models = perKey(() => new TokenModel())
  const behaviour = perKey((): Behaviour => ({ outcome: "grant", delay: 500, lifetime: 600_000 }))
  const secrets = perKey(() => 0)
  const requests = perKey(() => 0)
  const inFlight = perKey(() => 0)
  const headers = perKey((): Array<Credential.AuthHeader> => [])
  const expiries = new Map<string, number>()
  const callers: Array<{ readonly fiber: Fiber.Fiber<unknown, AuthError.AuthError>; interrupted: boolean }> = []
  const tally = { grants: 0, hits: 0, failures: 0, refreshes: 0 }

  const acquire = (credential: Credential.Credential, refused: boolean) => {
    const key = keyOf(credential)
    const model = models[key]
    requests[key] += 1
    inFlight[key] += 1
    assert.strictEqual(inFlight[key], 1, "two requests in flight for one credential")
    assert.strictEqual(requests[key], model.requests, "a request that nobody needs")
    assert.strictEqual(refused, model.refused, "told wrongly whether a token was refused before")
    if (model.state.is === "refreshing") tally.refreshes += 1
    const { outcome, delay, lifetime } = behaviour[key]
    const secret = secrets[key]
    const value = outcome === "repeat" ? `${key}-again` : `${key}${requests[key]}`
    const end = (now: number) => {
      inFlight[key] -= 1
      if (outcome === "grant" || outcome === "repeat") {
        tally.grants += 1
        model.dropped.delete(value)
        expiries.set(value, now + lifetime)
        model.succeed(now, value, secret, lifetime, dice.chance)
      } else {
        tally.failures += 1
        model.fail(now, outcome === "fail" ? "error" : "defect", dice.chance)
      }
    }
    return Effect.gen(function* () {
      if (outcome !== "throw") yield* Effect.sleep(delay)
      end(yield* Clock.currentTimeMillis)
      if (outcome === "fail") return yield* Effect.fail(outage)
      if (outcome === "die" || outcome === "throw") return yield* Effect.die(new Error("bug"))
      return token(value, lifetime, String(secret))
    })
  }
  const cache = yield* TokenCache.make(acquire)

  // Whether a renewal may begin is a matter of all credentials together, and is tested for itself.
  const pacer = TokenPolicy.makePacer()
  const size = Effect.map(TokenEntries.TokenEntries, TokenEntries.size)

  const call = Effect.fnUntraced(function* (key: Key) {
    const now = yield* Clock.currentTimeMillis
    const model = models[key]
    const droppedBefore = new Set(model.dropped)
    const tokens = yield* size
    const requestsBefore = model.requests
    const expected = model.call(now, (token) => pacer.allows(now, tokens, token))
    if (model.requests > requestsBefore) pacer.count(now)
    const fiber = yield* Effect.suspend(() => cache.get(credentials[key])).pipe(
      Effect.tap((header) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          const value = bearer(header).slice("Bearer ".length)
          assert.strictEqual(value[0], key, "a foreign token")
          assert.isBelow(at, expiries.get(value)!, "an expired token")
          assert.isFalse(droppedBefore.has(value) && model.dropped.has(value), "a token that was dropped before")
          headers[key].push(header)
        })
      ),
      Effect.forkChild({ startImmediately: true })
    )
    const exit = fiber.pollUnsafe()
    if (expected === "the failure") assert.isTrue(exit !== undefined && Exit.isFailure(exit), "a failure asked about")
    else if (expected !== "waits") {
      tally.hits += 1
      assert.isTrue(exit !== undefined && Exit.isSuccess(exit), "a token that is there was waited for")
      assert.strictEqual(bearer(headers[key].at(-1)!), `Bearer ${expected.gets}`)
    }
    callers.push({ fiber, interrupted: false })
  })

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
        // The model goes by the text, which a token that was given again has in common with the one before.
        const slot = TokenEntries.find(yield* TokenEntries.TokenEntries, credentials[event.key])
        const entry = slot && Ref.getUnsafe(slot.entry)
        const isHeld = entry !== undefined && "held" in entry && entry.held.header.value === header
        if (bearer(header).endsWith("-again") && !isHeld) return
        models[event.key].refuse(bearer(header).slice("Bearer ".length))
        return yield* cache.invalidate(credentials[event.key], header)
      }
      case "Rotate":
        secrets[event.key] += 1
        models[event.key].replace(secrets[event.key])
        return yield* cache.retire(credentials[event.key], Redacted.make(String(secrets[event.key])))
      case "Roll":
        dice.chance = event.chance
        return
      case "Behave":
        behaviour[event.key] = event
    }
  })

  for (const event of events) {
    yield* happen(event)
    yield* TestClock.adjust(0)
    const now = yield* Clock.currentTimeMillis
    assert.deepStrictEqual(
      requests,
      perKey((key) => models[key].requests),
      `requests after ${event._tag}`
    )
    const entries = yield* TokenEntries.TokenEntries
    const status = yield* cache.status
    for (const key of keys) {
      const slot = TokenEntries.find(entries, credentials[key])
      const index = TokenEntries.all(entries).findIndex((one) => one === slot)
      assert.strictEqual(status[index]?.state ?? "empty", models[key].name(now), `state after ${event._tag}`)
    }
  }
  yield* TestClock.adjust("3 hours")
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

/** In a world of its own: its cache, its clock, its dice. Forgetting what is idle is another test's. */
const inAWorld = (events: ReadonlyArray<Event>) =>
  Effect.suspend(() => {
    const dice = { chance: 0.5 }
    const random = Layer.succeed(Random.Random, { nextDoubleUnsafe: () => dice.chance, nextIntUnsafe: () => 0 })
    return play(events, dice).pipe(
      Effect.scoped,
      Effect.provide([TokenEntries.layer, random, policy({ idleTimeToLive: Duration.days(365) })], { local: true })
    )
  })

const events = Arbitrary.array(Arbitrary.schema(Event), { maxLength: 80 })

describe("whatever happens, in whatever order, to callers, the clock, the source and the credential", () => {
  it.effect.prop(
    "nobody gets an expired, a foreign or a dropped token, nothing is asked twice, and everybody gets an answer",
    { events },
    ({ events }) => Effect.asVoid(inAWorld(events)),
    { arbitrary: { runs: 3000, size: 80 }, timeout: 120_000 }
  )

  it.effect("and enough does happen for this to mean something", () =>
    Effect.gen(function* () {
      const samples = yield* Arbitrary.sampleEffect(events, { count: 200, size: 80, seed: 1 })
      const tallies = yield* Effect.forEach(samples, inAWorld)
      for (const what of ["grants", "hits", "failures", "refreshes"] as const) {
        assert.isAbove(
          tallies.reduce((sum, tally) => sum + tally[what], 0),
          50,
          what
        )
      }
    })
  )
})
