/** What is known of an endpoint that is down, from the first failure until it answers. */
import { type AuthError, Circuit, RetryPolicy, TokenEndpoint, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { type Answer, answer, makeHttp } from "../support/http.ts"
import { host, withoutJitter } from "../support/tokens.ts"

const granted = answer(200, { access_token: "t1", token_type: "Bearer", expires_in: 3600 })

const ask = (clientId: string, instance = host) =>
  TokenEndpoint.TokenEndpoint.use(({ clientCredentials }) =>
    clientCredentials({ instance, clientId, clientSecret: Redacted.make("hunter22"), source: "s" })
  )

const failureOf = (clientId: string, instance = host) =>
  Effect.map(Effect.flip(ask(clientId, instance)), ({ reason }: AuthError.AuthError) => {
    assert(reason._tag === "TokenEndpointUnavailable", reason.message)
    return reason
  })

const fail = (...clients: ReadonlyArray<string>) => Effect.forEach(clients, (client) => failureOf(client))

/** Runs beside an endpoint whose answer may be changed meanwhile. */
const beside = <A, E>(
  body: (answers: (next: Answer) => void) => Effect.Effect<A, E, TokenEndpoint.TokenEndpoint>,
  policy: Layer.Layer<never> = Layer.empty
) =>
  Effect.gen(function* () {
    let current = answer(503)
    const { layer } = yield* makeHttp((request) => current(request))
    return yield* body((next) => {
      current = next
    }).pipe(
      Effect.provide(TokenEndpoint.layer),
      Effect.provide([layer, Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(0)), policy])
    )
  })

describe("an endpoint that is down", () => {
  it.effect("is known to be since the first failure of this outage, with what was answered last", () =>
    beside((answers) =>
      Effect.gen(function* () {
        for (const start of [1_000, 100_000]) {
          yield* TestClock.setTime(start)
          answers(answer(503))
          yield* fail("a", "b")
          yield* TestClock.adjust("1 second")
          answers(answer(500))
          yield* fail("c")
          const { downSinceMillis, detail, attempts } = yield* failureOf("d")
          assert.deepStrictEqual(
            { downSinceMillis, detail, attempts },
            {
              downSinceMillis: start,
              detail: "status 500",
              attempts: 0
            }
          )
          yield* TestClock.adjust("20 seconds")
          answers(granted)
          yield* ask("e")
        }
      })
    )
  )

  it.effect("stays known when an answer comes that was asked for before", () =>
    beside((answers) =>
      Effect.gen(function* () {
        answers((request) => Effect.delay(granted(request), "1 second"))
        const early = yield* Effect.forkChild(ask("early"), { startImmediately: true })
        answers(answer(503))
        yield* fail("a", "b", "c")
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(early)
        const { downSinceMillis, detail } = yield* failureOf("d")
        assert.deepStrictEqual({ downSinceMillis, detail }, { downSinceMillis: 0, detail: "status 503" })
      })
    )
  )

  it.effect("is known of a thousand, those that failed last; of others it is only known that they are down", () =>
    beside(() =>
      Effect.gen(function* () {
        yield* fail("a", "b", "c")
        const others = Array.from({ length: 1000 }, (_, index) =>
          WorkspaceHost.WorkspaceHost.make(`w${index}.cloud.databricks.com`)
        )
        yield* Effect.forEach(others.slice(1), (instance) => failureOf("a", instance))
        assert.strictEqual((yield* failureOf("d")).detail, "status 503")
        yield* failureOf("a", others[0])
        yield* TestClock.adjust("500 millis")
        const { detail, downSinceMillis } = yield* failureOf("d")
        assert.deepStrictEqual({ detail, downSinceMillis }, { detail: "no longer known", downSinceMillis: 500 })
      })
    )
  )

  it.effect("is tried after 2, 4 and 8 seconds, and then each 10", () =>
    beside(
      () =>
        Effect.gen(function* () {
          yield* fail("a", "b", "c")
          for (const wait of [2_000, 4_000, 8_000, 10_000, 10_000]) {
            assert.strictEqual((yield* failureOf("d")).retryAfterMillis, wait)
            yield* TestClock.adjust(wait)
            assert.isUndefined((yield* failureOf("d")).downSinceMillis)
          }
        }),
      withoutJitter
    )
  )

  it.effect("is left alone for as long as it asks, by all clients, but for two minutes at most", () =>
    beside((answers) =>
      Effect.gen(function* () {
        answers(answer(503, "", { "retry-after": "60" }))
        yield* fail("a", "b", "c")
        yield* TestClock.adjust("59 seconds")
        assert.strictEqual((yield* failureOf("d")).retryAfterMillis, 1_000)
        answers(answer(503, "", { "retry-after": "86400" }))
        yield* TestClock.adjust("1 second")
        assert.isUndefined((yield* failureOf("d")).downSinceMillis)
        assert.strictEqual((yield* failureOf("e")).retryAfterMillis, 120_000)
        yield* TestClock.adjust("2 minutes")
        answers(granted)
        yield* ask("e")
      })
    )
  )

  it.effect("and asks for a minute is sent three requests in that minute, by sixty clients that ask each second", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(answer(503, "", { "retry-after": "60" }))
      const clients = Array.from({ length: 60 }, (_, index) => `client-${index}`)
      yield* Effect.gen(function* () {
        for (let second = 0; second < 60; second++) {
          yield* Effect.forEach(clients, (client) => failureOf(client))
          yield* TestClock.adjust("1 second")
        }
      }).pipe(Effect.provide(TokenEndpoint.layer), Effect.provide(layer))
      assert.lengthOf(yield* sent, 3)
    })
  )

  it.effect("is so for as few clients as the policy says", () =>
    beside(
      () =>
        Effect.gen(function* () {
          yield* fail("a", "a", "a")
          assert.isUndefined((yield* failureOf("a")).downSinceMillis)
          yield* fail("b")
          assert.strictEqual((yield* failureOf("a")).downSinceMillis, 0)
        }),
      Layer.succeed(Circuit.CircuitPolicy, { clients: 2, openFor: Schedule.spaced("2 seconds") })
    )
  )
})
