/** What a circuit knows of endpoints and of clients, and for how long. */
import { AuthError, Circuit } from "@flyte-databricks/databricks-auth"
import { describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import { Effect, Exit, Fiber, Layer, Metric, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { withoutJitter } from "../support/tokens.ts"

type Fault = Partial<Pick<AuthError.TokenEndpointUnavailable, "detail" | "status" | "retryAfterMillis">>

const failing = (fault: Fault = {}) =>
  Effect.fail(new AuthError.TokenEndpointUnavailable({ endpoint: "e", detail: "status 503", attempts: 1, ...fault }))

const aTry = (clientId: string, more: Partial<Circuit.Try> = {}): Circuit.Try => ({
  instance: "w1",
  endpoint: "https://w1.example/token",
  clientId,
  ...more
})
const ofTask = (clientId: string) => aTry(clientId, { isTaskClient: true })

const begun = Effect.succeed({ attempts: 7 })

/** A circuit, and how a try of a client ends that comes to this. */
const make = Effect.map(Circuit.make, (circuit) => {
  const end = (what: Circuit.Try, attempt: Effect.Effect<string, AuthError.TokenEndpointUnavailable>) =>
    Effect.match(circuit.guard(attempt, what, begun), {
      onSuccess: (answer) => answer,
      onFailure: ({ downSinceMillis, detail }) => (downSinceMillis === undefined ? detail : `down: ${detail}`)
    })
  const fails = (clientId: string, fault?: Fault) => end(aTry(clientId), failing(fault))
  const works = (clientId: string) => end(aTry(clientId), Effect.succeed("token"))
  const isDown = (what = aTry("z")) => Effect.flip(circuit.guard(failing({ status: 429 }), what, begun))
  return { ...circuit, end, fails, works, isDown }
})

const policy = (openFor: Circuit.Policy["openFor"], clients = 3) =>
  Layer.succeed(Circuit.CircuitPolicy, { clients, openFor })
const short = policy(Schedule.spaced("2 seconds"))

describe("an endpoint that is down", () => {
  it.effect("is known to be since the first failure of this outage, with what was answered last", () =>
    Effect.gen(function* () {
      const { fails, works, isDown } = yield* make
      for (const start of [1_000, 100_000]) {
        yield* TestClock.setTime(start)
        yield* fails("a")
        yield* fails("b")
        yield* TestClock.adjust("1 second")
        yield* fails("c", { detail: "status 500" })
        deepStrictEqual(
          { ...(yield* isDown()) },
          {
            ...new AuthError.TokenEndpointUnavailable({
              endpoint: "https://w1.example/token",
              detail: "status 500",
              attempts: 7,
              downSinceMillis: start,
              retryAfterMillis: 2_000
            })
          }
        )
        yield* TestClock.adjust("2 seconds")
        assertEquals(yield* works("d"), "token")
      }
    }).pipe(Effect.provide(short))
  )

  it.effect("stays known when an answer comes that was asked for before", () =>
    Effect.gen(function* () {
      const { end, fails, isDown } = yield* make
      const early = yield* Effect.forkChild(end(aTry("early"), Effect.delay(Effect.succeed("token"), "1 second")), {
        startImmediately: true
      })
      for (const client of ["a", "b", "c"]) yield* fails(client)
      yield* TestClock.adjust("1 second")
      assertEquals(yield* Fiber.join(early), "token")
      const { downSinceMillis, detail } = yield* isDown()
      deepStrictEqual({ downSinceMillis, detail }, { downSinceMillis: 0, detail: "status 503" })
    }).pipe(Effect.provide(short))
  )

  it.effect("is down for all again when one who knew fails the next try", () =>
    Effect.gen(function* () {
      const { fails } = yield* make
      for (const client of ["a", "b", "c"]) yield* fails(client)
      yield* TestClock.adjust("2 seconds")
      assertEquals(yield* fails("a", { detail: "status 500" }), "status 500")
      assertEquals(yield* fails("b"), "down: status 500")
    }).pipe(Effect.provide(short))
  )

  it.effect("is known of a thousand, those that failed first for the longest; of another only that it is down", () =>
    Effect.gen(function* () {
      const { end, fails, isDown } = yield* make
      for (const client of ["a", "b", "c"]) yield* fails(client)
      const failsAt = (n: number) => end(aTry("a", { instance: `other-${n}` }), failing())
      for (let n = 1; n < 1000; n++) yield* failsAt(n)
      assertEquals((yield* isDown()).detail, "status 503")
      yield* failsAt(1000)
      yield* TestClock.adjust("500 millis")
      const { detail, downSinceMillis } = yield* isDown()
      deepStrictEqual({ detail, downSinceMillis }, { detail: "no longer known", downSinceMillis: 500 })
      // The others are still known, the last of them too: these two make three with the first.
      const last = { instance: "other-1000" }
      for (const client of ["b", "c"]) yield* end(aTry(client, last), failing())
      assertEquals((yield* isDown(aTry("z", last))).downSinceMillis, 0)
    }).pipe(Effect.provide(short))
  )

  it.effect("is tried after 2, 4 and 8 seconds, and then each 10", () =>
    Effect.gen(function* () {
      const { fails, isDown } = yield* make
      for (const client of ["a", "b", "c"]) yield* fails(client)
      for (const wait of [2_000, 4_000, 8_000, 10_000, 10_000]) {
        assertEquals((yield* isDown()).retryAfterMillis, wait)
        yield* TestClock.adjust(wait)
        assertEquals(yield* fails("d"), "status 503")
      }
    }).pipe(Effect.provide(withoutJitter))
  )

  it.effect("is left alone for as long as it asks, but for two minutes at most", () =>
    Effect.gen(function* () {
      const { fails, works, isDown } = yield* make
      for (const client of ["a", "b", "c"]) yield* fails(client, { retryAfterMillis: 60_000 })
      yield* TestClock.adjust("59 seconds")
      assertEquals((yield* isDown()).retryAfterMillis, 1_000)
      yield* TestClock.adjust("1 second")
      yield* fails("d", { retryAfterMillis: 86_400_000 })
      assertEquals((yield* isDown()).retryAfterMillis, 120_000)
      yield* TestClock.adjust("2 minutes")
      assertEquals(yield* works("e"), "token")
    }).pipe(Effect.provide(short))
  )

  it.effect("is so for as few clients as the policy says", () =>
    Effect.gen(function* () {
      const { fails } = yield* make
      for (let n = 0; n < 3; n++) assertEquals(yield* fails("a"), "status 503")
      assertEquals(yield* fails("b"), "status 503")
      assertEquals(yield* fails("a"), "down: status 503")
    }).pipe(Effect.provide(policy(Schedule.spaced("2 seconds"), 2)))
  )

  it.effect("shows from the first time it is", () =>
    Effect.gen(function* () {
      const { fails } = yield* make
      for (const client of ["a", "b", "c"]) yield* fails(client)
      yield* TestClock.adjust(0)
      deepStrictEqual(
        (yield* Metric.snapshot).map(({ state }) => state),
        [{ value: 1 }]
      )
    }).pipe(Effect.provide(short), (effect) =>
      Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))
    )
  )
})

describe("a try that breaks", () => {
  it.effect("says so to its caller, and nothing of the endpoint", () =>
    Effect.gen(function* () {
      const { guard, works } = yield* make
      for (const client of ["a", "b", "c"]) {
        assertEquals(yield* Effect.exit(guard(Effect.die("broken"), aTry(client), begun)), Exit.die("broken"))
      }
      assertEquals(yield* works("d"), "token")
    }).pipe(Effect.provide(short))
  )
})

describe("a task's client that was given a token", () => {
  /** Whether the circuit knows the client: it hears that the endpoint is down. */
  const makeProven = Effect.map(make, ({ end, fails, proved }) => ({
    proved,
    goDown: Effect.forEach(["a", "b", "c"], (client) => fails(client)),
    isProven: (clientId: string) =>
      Effect.map(end(ofTask(clientId), Effect.succeed("made")), (outcome) => outcome !== "made")
  }))

  it.effect("is known among a thousand; then the one is forgotten whose token is the oldest", () =>
    Effect.gen(function* () {
      const { proved, goDown, isProven } = yield* makeProven
      for (let n = 0; n < 1000; n++) proved(ofTask(`t${n}`))
      yield* goDown
      deepStrictEqual(yield* Effect.forEach(["t0", "t1", "t999", "t1000"], isProven), [true, true, true, false])
      // This one gets another token, and is the youngest.
      proved(ofTask("t0"))
      proved(ofTask("t1000"))
      deepStrictEqual(yield* Effect.forEach(["t0", "t1", "t2", "t1000"], isProven), [true, false, true, true])
    }).pipe(Effect.provide(short))
  )

  it.effect("is not forgotten for clients that need no proof", () =>
    Effect.gen(function* () {
      const { proved, goDown, isProven } = yield* makeProven
      proved(ofTask("t"))
      for (let n = 0; n < 1000; n++) proved(aTry(`c${n}`))
      yield* goDown
      assertEquals(yield* isProven("t"), true)
    }).pipe(Effect.provide(short))
  )

  it.effect("is known for its own workspace alone", () =>
    Effect.gen(function* () {
      const { proved, goDown, isProven } = yield* makeProven
      proved(aTry("t", { isTaskClient: true, instance: "w2" }))
      yield* goDown
      assertEquals(yield* isProven("t"), false)
    }).pipe(Effect.provide(short))
  )
})
