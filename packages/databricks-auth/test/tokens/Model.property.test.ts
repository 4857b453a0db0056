/** The cache with its fibers, on a clock that is moved on by hand. */
import { type AuthError, TokenPolicy } from "@flyte-databricks/databricks-auth"
import * as TokenCache from "@flyte-databricks/databricks-auth/tokens/TokenCache"
import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Cause, Clock, Duration, Effect, Exit, Fiber, Layer, Random, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { bearer, outage, policy } from "../support/tokens.ts"
import { assertEventful, credentials, type Event, type Key, keyOf, schedules, tokenOf, World } from "./Schedule.ts"

/** Lets these events happen to a real cache and to the model, and compares them after each. */
const play = Effect.fnUntraced(function* (events: ReadonlyArray<Event>, world: World) {
  const { models, headers, tally } = world
  const callers: Array<{ readonly fiber: Fiber.Fiber<unknown, AuthError.AuthError>; interrupted: boolean }> = []

  const cache = yield* TokenCache.make((credential, refused, { isWaitedFor }) => {
    const request = world.begin(keyOf(credential), refused, isWaitedFor)
    return Effect.gen(function* () {
      const { outcome, delay } = request
      if (outcome !== "throw") yield* Effect.sleep(delay)
      world.end(request, yield* Clock.currentTimeMillis)
      if (outcome === "fail") return yield* Effect.fail(outage)
      if (outcome === "die" || outcome === "throw") return yield* Effect.die(new Error("bug"))
      return tokenOf(request)
    })
  })

  // Whether a renewal may begin is a matter of all credentials together, and is tested for itself.
  const pacer = TokenPolicy.makePacer()
  const size = Effect.map(TokenEntries.TokenEntries, TokenEntries.size)

  const call = Effect.fnUntraced(function* (key: Key) {
    const now = yield* Clock.currentTimeMillis
    const model = models[key]
    const dropped = new Set(model.dropped)
    const tokens = yield* size
    const requestsBefore = model.requests
    const expected = model.call(now, (token) => pacer.allows(now, tokens, token))
    if (model.requests > requestsBefore) pacer.count(now)
    const fiber = yield* Effect.suspend(() => cache.get(credentials[key])).pipe(
      Effect.tap((header) =>
        Effect.map(Clock.currentTimeMillis, (at) =>
          world.got(key, header, bearer(header).slice("Bearer ".length), at, dropped)
        )
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
        models[event.key].refuse(bearer(header).slice("Bearer ".length))
        return yield* cache.invalidate(credentials[event.key], header)
      }
      case "Rotate": {
        const secret = (world.secrets[event.key] += 1)
        models[event.key].replace(secret)
        return yield* cache.retire(credentials[event.key], Redacted.make(String(secret)))
      }
      case "Roll":
        world.chance = event.chance
        return
      case "Behave":
        world.behaviour[event.key] = event
    }
  })

  const entries = yield* TokenEntries.TokenEntries
  for (const event of events) {
    yield* happen(event)
    yield* TestClock.adjust(0)
    const status = yield* cache.status
    const slots = TokenEntries.all(entries)
    world.check(event, yield* Clock.currentTimeMillis, (key) => {
      const slot = TokenEntries.find(entries, credentials[key])
      return status[slots.findIndex((one) => one === slot)]?.state ?? "empty"
    })
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
    const world = new World()
    const random = Layer.succeed(Random.Random, { nextDoubleUnsafe: () => world.chance, nextIntUnsafe: () => 0 })
    return play(events, world).pipe(
      Effect.scoped,
      Effect.provide([TokenEntries.layer, random, policy({ idleTimeToLive: Duration.days(365) })], { local: true })
    )
  })

describe("whatever happens, in whatever order, to callers, the clock, the source and the credential", () => {
  it.effect.prop(
    "nobody gets an expired, a foreign or a dropped token, nothing is asked twice, and everybody gets an answer",
    { events: schedules },
    ({ events }) => Effect.asVoid(inAWorld(events)),
    { arbitrary: { runs: 3000, size: 80 }, timeout: 120_000 }
  )

  it.effect("and enough does happen for this to mean something", () =>
    Effect.gen(function* () {
      const samples = yield* Arbitrary.sampleEffect(schedules, { count: 200, size: 80, seed: 1 })
      assertEventful(yield* Effect.forEach(samples, inAWorld))
    })
  )
})
