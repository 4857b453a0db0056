import { RetryPolicy, type Token, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { answer, silence } from "../support/http.ts"
import { timed, timedFor, unavailable } from "./Ask.ts"

const eachMoment = Layer.succeed(RetryPolicy.RetryPolicy, Schedule.spaced("200 millis"))

describe("the time for all tries", () => {
  it.effect("ends a try that began within it, and the error says what was met with before", () =>
    Effect.gen(function* () {
      const { exit, at, instants } = yield* timed(eachMoment, silence)
      assert.deepStrictEqual(instants, [0, 4_200, 8_400])
      assert.strictEqual(at, 8_500)
      const { detail, attempts } = unavailable(exit)
      assert.deepStrictEqual({ detail, attempts }, { detail: "nothing within 4s", attempts: 3 })
    })
  )

  it.effect("says how long it was where nothing was met with", () =>
    Effect.gen(function* () {
      const second = Layer.succeed(TokenEndpoint.TotalTimeout, "1 second")
      const { exit, at } = yield* timed(Layer.merge(eachMoment, second), silence)
      assert.strictEqual(at, 1_000)
      const { detail, attempts } = unavailable(exit)
      assert.deepStrictEqual({ detail, attempts }, { detail: "nothing within 1s", attempts: 1 })
    })
  )
})

describe("each try that failed", () => {
  it.effect("is told to whoever waits", () =>
    Effect.gen(function* () {
      const told: Array<Token.FailedTries> = []
      const onFailure = (tries: Token.FailedTries) => Effect.sync(() => void told.push(tries))
      const refused = answer(401, { error: "invalid_client" })
      yield* timedFor({ isWaitedFor: true, onFailure }, eachMoment, answer(503), answer(500), refused)
      assert.deepStrictEqual(told, [
        { attempts: 1, lastAnswer: "status 503" },
        { attempts: 2, lastAnswer: "status 500" }
      ])
    })
  )

  it.effect("is told, and the last, where nobody waits: another is made later, by the cache", () =>
    Effect.gen(function* () {
      const told: Array<Token.FailedTries> = []
      const onFailure = (tries: Token.FailedTries) => Effect.sync(() => void told.push(tries))
      const { exit, instants } = yield* timedFor({ isWaitedFor: false, onFailure }, eachMoment, answer(503))
      assert.deepStrictEqual(instants, [0])
      assert.deepStrictEqual(told, [{ attempts: 1, lastAnswer: "status 503" }])
      assert.include(unavailable(exit).message, "was tried once")
    })
  )
})
