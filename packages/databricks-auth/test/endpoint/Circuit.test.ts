/** A token endpoint that fails for everyone is left alone for a while, and callers hear so at once. */
import {
  type AuthError,
  Circuit,
  RetryPolicy,
  type Token,
  TokenEndpoint,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Redacted, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { inAWord } from "./Ask.ts"
import { type Answer, answer, makeHttp, networkFault, silence } from "../support/http.ts"

const granted = answer(200, { access_token: "t1", token_type: "Bearer", expires_in: 3600 })
const refused = answer(401, { error: "invalid_client" })

const instanceOf = (host: string) => WorkspaceHost.WorkspaceHost.make(host)
const instance = instanceOf("dbc-a1b2.cloud.databricks.com")

const ask = (clientId: string, host = instance, tries?: Token.Tries) =>
  TokenEndpoint.TokenEndpoint.use(({ clientCredentials }) =>
    clientCredentials({ instance: host, clientId, clientSecret: Redacted.make("hunter22"), source: "s" }, tries)
  )

/** How it went for this client, in a word. */
const outcome = (clientId: string, host = instance) => inAWord(ask(clientId, host))

const failureOf = (clientId: string) =>
  Effect.map(Effect.flip(ask(clientId)), (error: AuthError.AuthError) => {
    assert(error.reason._tag === "TokenEndpointUnavailable", error.message)
    assert.isTrue(error.retryable)
    return { ...error.reason, message: error.message }
  })

/** One try a call; three clients in a row close the door for 2, 4, then 8 seconds. */
const policies = Layer.merge(
  Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(0)),
  Layer.succeed(Circuit.CircuitPolicy, { clients: 3, openFor: Schedule.exponential("2 seconds") })
)

/** What the endpoint answers may be changed while the test runs. */
const world = (first: Answer) =>
  Effect.gen(function* () {
    let current = first
    const { layer, sent } = yield* makeHttp((request) => current(request))
    return {
      layer: TokenEndpoint.layer.pipe(Layer.provide([layer, policies])),
      sent: Effect.map(sent, (all) => all.length),
      answers: (next: Answer) => Effect.sync(() => void (current = next))
    }
  })

const clients = (...ids: ReadonlyArray<string>) => Effect.forEach(ids, (id) => outcome(id))

describe("a token endpoint that fails for one client after the other", () => {
  it.effect.each([
    ["500", answer(500), "status 500"],
    ["503", answer(503), "status 503"],
    ["408", answer(408), "status 408"],
    ["no connection", networkFault(new Error("connect ECONNREFUSED 10.0.0.1:443")), "connect ECONNREFUSED 10.0.0.1:443"]
  ] as const)("with %s is not asked any more after the third, and callers hear since when and why", ([, fault, said]) =>
    Effect.gen(function* () {
      const { layer, sent } = yield* world(fault)
      yield* Effect.gen(function* () {
        yield* TestClock.setTime(Date.UTC(2026, 0, 2, 3, 4, 5))
        assert.deepStrictEqual(yield* clients("a", "b", "c"), [said, said, said])
        yield* TestClock.adjust("500 millis")
        const { message, attempts, retryAfterMillis } = yield* failureOf("d")
        assert.strictEqual(yield* sent, 3)
        assert.deepStrictEqual({ attempts, retryAfterMillis }, { attempts: 0, retryAfterMillis: 1500 })
        assert.strictEqual(
          message,
          "https://dbc-a1b2.cloud.databricks.com/oidc/v1/token has given no token to anyone since 2026-01-02T03:04:05.000Z; " +
            `the last answer: ${said}. It was not asked for this call; the next try is made in 1.5 s. Try again then.`
        )
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("by silence lets go all who wait at once", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* world(silence)
      yield* Effect.gen(function* () {
        const first = yield* Effect.forkChild(Effect.all(["a", "b", "c"].map(failureOf), { concurrency: "unbounded" }))
        yield* TestClock.adjust("16 seconds")
        yield* Fiber.join(first)
        const start = yield* Clock.currentTimeMillis
        const many = Array.from({ length: 1000 }, (_, index) => `client-${index}`)
        const outcomes = yield* Effect.forEach(many, (id) => outcome(id), { concurrency: "unbounded" })
        assert.deepStrictEqual([...new Set(outcomes)], ["down"])
        assert.strictEqual(yield* Clock.currentTimeMillis, start)
        // Each of the three was asked for three times: at once, after 4 seconds and after another 8.
        assert.strictEqual(yield* sent, 9)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is tried by one caller at a time, less and less often, until it answers", () =>
    Effect.gen(function* () {
      const { layer, sent, answers } = yield* world(answer(503))
      yield* Effect.gen(function* () {
        yield* clients("a", "b", "c")
        for (const [wait, requests] of [
          ["2 seconds", 4],
          ["4 seconds", 5],
          ["8 seconds", 6]
        ] as const) {
          yield* TestClock.adjust(wait)
          assert.deepStrictEqual(yield* clients("d", "e", "f"), ["status 503", "down", "down"])
          assert.strictEqual(yield* sent, requests)
        }
        yield* answers(granted)
        yield* TestClock.adjust("15999 millis")
        assert.deepStrictEqual(yield* clients("d"), ["down"])
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* clients("d", "e", "f"), ["token", "token", "token"])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is not tried by a second caller while the first one is at it, who hears so", () =>
    Effect.gen(function* () {
      const { layer, sent, answers } = yield* world(answer(503))
      yield* Effect.gen(function* () {
        yield* clients("a", "b", "c")
        yield* answers((request) => Effect.delay(granted(request), "1 second"))
        yield* TestClock.adjust("2 seconds")
        const probe = yield* Effect.forkChild(outcome("d"), { startImmediately: true })
        assert.include((yield* failureOf("e")).message, "It was not asked for this call; the next try is under way.")
        assert.strictEqual(yield* sent, 4)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(probe), "token")
        const after = yield* Effect.forkChild(outcome("e"))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(after), "token")
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is free to be tried when the one who tries goes away", () =>
    Effect.gen(function* () {
      const { layer, answers } = yield* world(answer(503))
      yield* Effect.gen(function* () {
        yield* clients("a", "b", "c")
        yield* answers(silence)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.interrupt(yield* Effect.forkChild(outcome("d"), { startImmediately: true }))
        yield* answers(granted)
        assert.strictEqual(yield* outcome("e"), "token")
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is back as soon as it says no to somebody: that is an answer too", () =>
    Effect.gen(function* () {
      const { layer, answers } = yield* world(answer(503))
      yield* Effect.gen(function* () {
        yield* clients("a", "b", "c")
        yield* TestClock.adjust("2 seconds")
        yield* answers(refused)
        assert.strictEqual(yield* outcome("d"), "TokenRefused")
        yield* answers(granted)
        assert.strictEqual(yield* outcome("e"), "token")
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("says nothing about the endpoint of another workspace", () =>
    Effect.gen(function* () {
      const { layer, answers } = yield* world(answer(503))
      yield* Effect.gen(function* () {
        yield* clients("a", "b", "c")
        yield* answers(granted)
        assert.strictEqual(yield* outcome("d"), "down")
        assert.strictEqual(yield* outcome("d", instanceOf("dbc-c3d4.cloud.databricks.com")), "token")
      }).pipe(Effect.provide(layer))
    })
  )
})

describe("a client's own trouble does not close the endpoint for others:", () => {
  const isolated = (what: string, fault: Answer, calls: ReadonlyArray<string>) =>
    it.effect(what, () =>
      Effect.gen(function* () {
        const { layer, answers } = yield* world(fault)
        yield* Effect.gen(function* () {
          yield* clients(...calls)
          yield* answers(granted)
          assert.strictEqual(yield* outcome("z"), "token")
        }).pipe(Effect.provide(layer))
      })
    )

  isolated(
    "100 refusals of 100 clients",
    refused,
    Array.from({ length: 100 }, (_, index) => `client-${index}`)
  )
  isolated(
    "400 of 100 clients",
    answer(400, { error: "invalid_grant" }),
    Array.from({ length: 100 }, (_, index) => `client-${index}`)
  )
  isolated(
    "429 of 100 clients",
    answer(429),
    Array.from({ length: 100 }, (_, index) => `client-${index}`)
  )
  isolated(
    "a hundred failures of one client",
    answer(500),
    Array.from({ length: 100 }, () => "a")
  )
  isolated("failures of two clients", answer(500), ["a", "b", "a", "b", "a", "b"])

  it.effect("failures between which the endpoint served others", () =>
    Effect.gen(function* () {
      const { layer, answers } = yield* world(answer(500))
      yield* Effect.gen(function* () {
        for (let round = 0; round < 10; round++) {
          yield* answers(answer(500))
          assert.deepStrictEqual(yield* clients("a", "b"), ["status 500", "status 500"])
          yield* answers(granted)
          assert.strictEqual(yield* outcome("c"), "token")
        }
      }).pipe(Effect.provide(layer))
    })
  )
})

describe("an endpoint that has just gone down", () => {
  const retrying = Layer.merge(policies, Layer.succeed(RetryPolicy.RetryPolicy, Schedule.spaced("500 millis")))
  const down = (answers: ReadonlyArray<Answer>) =>
    Effect.gen(function* () {
      const { layer } = yield* makeHttp(...answers)
      const context = yield* Layer.build(TokenEndpoint.layer.pipe(Layer.provide([layer, retrying])))
      const unwaited = { isWaitedFor: false, onProgress: () => Effect.void }
      yield* Effect.provideContext(
        Effect.forEach(["a", "b", "c"], (id) => Effect.flip(ask(id, instance, unwaited))),
        context
      )
      const timed = Effect.all([outcome("d"), Clock.currentTimeMillis]).pipe(
        Effect.provideContext(context),
        Effect.forkChild({ startImmediately: true })
      )
      return { timed }
    })

  it.effect("is waited for, as it may be back in a moment", () =>
    Effect.gen(function* () {
      const { timed } = yield* down([answer(503), answer(503), answer(503), granted])
      const fiber = yield* timed
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["token", 2000])
    })
  )

  it.effect("and does not come back is given up after five seconds, and not waited for by those who come later", () =>
    Effect.gen(function* () {
      const { timed } = yield* down([answer(503)])
      const fiber = yield* timed
      yield* TestClock.adjust("5 seconds")
      // At two seconds it failed once more, and the four that follow are too long.
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["down", 2500])
      const later = yield* timed
      assert.deepStrictEqual(yield* Fiber.join(later), ["down", 5000])
    })
  )
})
