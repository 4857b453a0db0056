/** Asks a token endpoint that gives these answers. */
import {
  type AuthError,
  RetryPolicy,
  type Token,
  TokenEndpoint,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Redacted, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { type Answer, answer, makeHttp } from "../support/http.ts"

export const request: TokenEndpoint.ClientCredentialsRequest = {
  instance: WorkspaceHost.WorkspaceHost.make("dbc-a1b2.cloud.databricks.com"),
  clientId: "app-1",
  clientSecret: Redacted.make("hunter22"),
  source: "Secret databricks-oauth in namespace team-a"
}
export const endpoint = "https://dbc-a1b2.cloud.databricks.com/oidc/v1/token"
export const granted = answer(200, { access_token: "t1", token_type: "Bearer", expires_in: 3600 })

export const ask = (asked: TokenEndpoint.ClientCredentialsRequest = request, tries?: Token.Tries) =>
  TokenEndpoint.TokenEndpoint.use(({ clientCredentials }) => clientCredentials(asked, tries))

export const never = Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(0))

/** The outcome of one request that gets this answer, and no second try. */
export const answered = (given: Answer, asked = request) =>
  Effect.gen(function* () {
    const { layer } = yield* makeHttp(given)
    return yield* ask(asked).pipe(Effect.provide(TokenEndpoint.layer), Effect.provide([layer, never]))
  })

export const problemOf = (given: Answer) =>
  Effect.map(Effect.flip(answered(given)), (error) => {
    assert(error.reason._tag === "TokenResponseInvalid", `${error.reason._tag}: ${error.message}`)
    assert.isTrue(error.retryable)
    assert.include(error.message, endpoint)
    return error.reason.problem
  })

export const refusalOf = (given: Answer, asked = request) =>
  Effect.map(Effect.flip(answered(given, asked)), (error) => {
    assert(error.reason._tag === "TokenRefused", `${error.reason._tag}: ${error.message}`)
    assert.isFalse(error.retryable)
    return error.reason
  })

export const exact = Layer.succeed(
  RetryPolicy.RetryPolicy,
  Schedule.max([Schedule.exponential("100 millis"), Schedule.recurs(3)])
)

/** How it went, in a word: what was answered, where neither a token came nor the endpoint counts as down. */
export const inAWord = <R>(asked: Effect.Effect<unknown, AuthError.AuthError, R>): Effect.Effect<string, never, R> =>
  Effect.match(asked, {
    onSuccess: () => "token",
    onFailure: ({ reason }) =>
      reason._tag !== "TokenEndpointUnavailable"
        ? reason._tag
        : reason.downSinceMillis === undefined
          ? reason.detail
          : "down"
  })

/** Asks while the clock runs on; tells the outcome, when it was there, and when each request went out. */
export const timed = (policy: Layer.Layer<never>, ...answers: ReadonlyArray<Answer>) =>
  timedFor(undefined, policy, ...answers)

/** The same, for somebody who waits or does not. */
export const timedFor = (
  tries: Token.Tries | undefined,
  policy: Layer.Layer<never>,
  ...answers: ReadonlyArray<Answer>
) =>
  Effect.gen(function* () {
    const { layer, sent } = yield* makeHttp(...answers)
    const clock = yield* TestClock.testClockWith(Effect.succeed)
    const fiber = yield* ask(request, tries).pipe(
      Effect.exit,
      Effect.map((exit) => ({ exit, at: clock.currentTimeMillisUnsafe() })),
      Effect.provide(TokenEndpoint.layer),
      Effect.provide([layer, policy]),
      Effect.forkChild({ startImmediately: true })
    )
    yield* TestClock.adjust("1 hour")
    const { exit, at } = yield* Fiber.join(fiber)
    return { exit, at, instants: (yield* sent).map(({ at }) => at) }
  })

export const unavailable = (exit: Exit.Exit<unknown, AuthError.AuthError>) => {
  assert(Exit.isFailure(exit))
  const error = Cause.findErrorOption(exit.cause)
  assert(error._tag === "Some" && error.value.reason._tag === "TokenEndpointUnavailable", String(exit.cause))
  assert.isTrue(error.value.retryable)
  return error.value.reason
}
