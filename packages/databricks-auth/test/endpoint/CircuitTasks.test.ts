/** Client ids that tasks choose may be made up: what they meet with is no sign that the endpoint is down for others. */
import { Circuit, RetryPolicy, TokenEndpoint, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { ask, granted, inAWord } from "./Ask.ts"
import { type Answer, answer, makeHttp, networkFault } from "../support/http.ts"

const cut = networkFault(new Error("socket hang up"))
const instance = WorkspaceHost.WorkspaceHost.make("dbc-a1b2.cloud.databricks.com")
const policies = Layer.merge(
  Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(0)),
  Layer.succeed(Circuit.CircuitPolicy, { clients: 3, openFor: Schedule.exponential("2 seconds") })
)

/** A front end that answers these clients, each by its own rule, in this world. */
const world = <A, E>(rule: (clientId: string) => Answer, use: Effect.Effect<A, E, TokenEndpoint.TokenEndpoint>) =>
  Effect.gen(function* () {
    const { layer } = yield* makeHttp((request) => {
      const { authorization = "" } = request.headers
      return rule(Buffer.from(authorization.slice("Basic ".length), "base64").toString().split(":")[0] ?? "")(request)
    })
    return yield* Effect.provide(use, TokenEndpoint.layer.pipe(Layer.provide([layer, policies])))
  })

const outcome = (clientId: string, isTaskClient = false) =>
  inAWord(ask({ instance, clientId, clientSecret: Redacted.make("s"), source: "s", isTaskClient }))
const madeUp = Effect.forEach(
  Array.from({ length: 6 }, (_, index) => `made-up-${index}`),
  (id) => outcome(id, true)
)
const unlessMadeUp = (clientId: string) => (clientId.startsWith("made-up") ? cut : granted)

describe("client ids that tasks made up, which a front end cuts off,", () => {
  it.effect("close no door for the others of the host, however many they are", () =>
    world(
      unlessMadeUp,
      Effect.gen(function* () {
        for (let innocent = 0; innocent < 40; innocent++) {
          assert.deepStrictEqual(new Set(yield* madeUp), new Set(["socket hang up"]))
          assert.strictEqual(yield* outcome(`app-${innocent}`, innocent % 2 === 0), "token")
          yield* TestClock.adjust("1 second")
        }
      })
    )
  )

  it.effect("do not take the turn of who tries whether an endpoint is back", () => {
    let isDown = true
    return world(
      (clientId) => (isDown ? answer(503) : unlessMadeUp(clientId)),
      Effect.gen(function* () {
        yield* Effect.forEach(["a", "b", "c"], (id) => outcome(id))
        assert.strictEqual(yield* outcome("a"), "down")
        isDown = false
        yield* TestClock.adjust("2 seconds")
        yield* madeUp
        assert.strictEqual(yield* outcome("a"), "token")
      })
    )
  })
})

describe("a client id of a task that was given a token", () => {
  it.effect("is one like the others: three of them tell that the endpoint is down", () => {
    let isDown = false
    const ids = ["a", "b", "c"]
    const all = Effect.forEach(ids, (id) => outcome(id, true))
    return world(
      () => (isDown ? answer(503) : granted),
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* all, ["token", "token", "token"])
        isDown = true
        assert.deepStrictEqual(yield* all, ["status 503", "status 503", "status 503"])
        assert.deepStrictEqual(yield* all, ["down", "down", "down"])
        assert.strictEqual(yield* outcome("d"), "down")
        assert.strictEqual(yield* outcome("made-up", true), "status 503")
      })
    )
  })

  it.effect("is none yet when it was refused: that is an answer, but no proof", () => {
    let isDown = false
    const all = Effect.forEach(["a", "b", "c"], (id) => outcome(id, true))
    return world(
      () => (isDown ? answer(503) : answer(401, { error: "invalid_client" })),
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* all, ["TokenRefused", "TokenRefused", "TokenRefused"])
        isDown = true
        yield* all
        assert.strictEqual(yield* outcome("d"), "status 503")
      })
    )
  })
})
