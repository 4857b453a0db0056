import { RetryPolicy, type Token, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schedule } from "effect"
import { type Answer, answer, silence } from "../support/http.ts"
import { granted, timed, timedFor, unavailable } from "./Ask.ts"

const eachMoment = Layer.succeed(RetryPolicy.RetryPolicy, Schedule.spaced("200 millis"))

describe("the time for all tries", () => {
  it.effect("is that in which they may begin: one that is under way has its own", () =>
    Effect.gen(function* () {
      const { exit, at, instants } = yield* timed(eachMoment, silence)
      assert.deepStrictEqual(instants, [0, 4_000, 12_000])
      assert.strictEqual(at, 16_000)
      const { message } = unavailable(exit)
      assert.include(message, "was tried 3 times and gave no token; the last answer: nothing within 16s. Try again.")
    })
  )

  it.effect("ends what is answered soon and never well", () =>
    Effect.gen(function* () {
      const second = Layer.succeed(TokenEndpoint.TotalTimeout, "1 second")
      const { exit, instants } = yield* timed(Layer.merge(eachMoment, second), answer(503))
      assert.deepStrictEqual(instants, [0, 200, 400, 600, 800])
      assert.strictEqual(unavailable(exit).attempts, 5)
      assert.notProperty(unavailable(exit), "retryAfterMillis")
    })
  )

  it.effect("is over where an answer comes later and asks for more", () =>
    Effect.gen(function* () {
      const second = Layer.succeed(TokenEndpoint.TotalTimeout, "1 second")
      const asksForMore = answer(503, "", { "retry-after": "5" })
      const { exit, at } = yield* timed(Layer.merge(eachMoment, second), (request) =>
        Effect.delay(asksForMore(request), "2 seconds")
      )
      assert.strictEqual(at, 2_000)
      assert.include(unavailable(exit).message, "It asks for 5 s before the next try, and there were 0 s left.")
    })
  )
})

describe("a try that is under way", () => {
  it.effect("is not given up where the request beside it fails", () =>
    Effect.gen(function* () {
      const { exit, at, instants } = yield* timed(
        eachMoment,
        (request) => Effect.delay(granted(request), "9 seconds"),
        answer(503)
      )
      assert.deepStrictEqual(instants, [0, 4_000])
      assert.deepStrictEqual([Exit.isSuccess(exit), at], [true, 9_000])
    })
  )
})

describe("each request that is sent, and each that failed,", () => {
  const endpoint = "https://dbc-a1b2.cloud.databricks.com/oidc/v1/token"
  const told = Effect.fnUntraced(function* (isWaitedFor: boolean, ...answers: ReadonlyArray<Answer>) {
    const told: Array<Token.Progress> = []
    const onProgress = (progress: Token.Progress) => Effect.sync(() => void told.push(progress))
    const { exit, instants } = yield* timedFor({ isWaitedFor, onProgress }, eachMoment, ...answers)
    return { exit, instants, told }
  })

  it.effect("is told to whoever waits", () =>
    Effect.gen(function* () {
      const refused = answer(401, { error: "invalid_client" })
      assert.deepStrictEqual((yield* told(true, answer(503), answer(500), refused)).told, [
        { endpoint, attempts: 1, lastAnswer: undefined },
        { endpoint, attempts: 1, lastAnswer: "status 503" },
        { endpoint, attempts: 2, lastAnswer: "status 503" },
        { endpoint, attempts: 2, lastAnswer: "status 500" },
        { endpoint, attempts: 3, lastAnswer: "status 500" }
      ])
    })
  )

  it.effect("is told where nobody waits: another is made later, by the cache", () =>
    Effect.gen(function* () {
      const { exit, instants, told: all } = yield* told(false, answer(503))
      assert.deepStrictEqual(instants, [0])
      assert.deepStrictEqual(all.at(-1), { endpoint, attempts: 1, lastAnswer: "status 503" })
      assert.include(unavailable(exit).message, "was tried once")
    })
  )
})
