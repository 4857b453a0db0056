/** What is made of a token endpoint's answer, where it is no token. */
import { type AuthError, RetryPolicy, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { type Answer, answer, makeHttp } from "./support/http.ts"
import { host } from "./support/tokens.ts"

/** Why there is no token, of these kinds. */
const failure = <Tag extends AuthError.Reason["_tag"]>(tag: Tag, given: Answer) =>
  Effect.gen(function* () {
    const { layer } = yield* makeHttp(given)
    const { reason } = yield* TokenEndpoint.TokenEndpoint.use(({ clientCredentials }) =>
      clientCredentials({ instance: host, clientId: "app-1", clientSecret: Redacted.make("hunter2"), source: "s" })
    ).pipe(
      Effect.flip,
      Effect.provide(TokenEndpoint.layer),
      Effect.provide([layer, Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(0))])
    )
    assert.strictEqual(reason._tag, tag, reason.message)
    return reason as Extract<AuthError.Reason, { readonly _tag: Tag }>
  })

describe("an answer that is no token", () => {
  it.effect.each([
    [answer(300, { access_token: "t1" }), "it is a redirect, which is not followed with credentials"],
    [answer(399, ""), "it is a redirect, which is not followed with credentials"],
    [answer(200, ""), "the body is empty"],
    [answer(200, "<!DOCTYPE html><p>Log in"), "the body is an HTML page, not JSON"],
    [answer(200, "\n <HTML>"), "the body is an HTML page, not JSON"],
    [answer(200, "see <html> for more"), "the body is text, not JSON"],
    [answer(403, { detail: "no" }), "the body names no OAuth error"]
  ] as const)("says what it is instead (%#)", ([given, problem]) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* failure("TokenResponseInvalid", given)).problem, problem)
    })
  )
})

describe("a refusal", () => {
  it.effect("has a description and an id only where it says them", () =>
    Effect.gen(function* () {
      const refused = yield* failure("TokenRefused", answer(401, { error: "invalid_client" }))
      assert.notProperty(refused, "description")
      assert.notProperty(refused, "errorId")
      assert.include(refused.message, "with 401 invalid_client. Its credentials")
    })
  )

  it.effect("is repeated on one line, with one blank for each gap", () =>
    Effect.gen(function* () {
      const words = { error: "x", error_description: "one \r\n\t two\u0000\u0007three" }
      const { description } = yield* failure("TokenRefused", answer(401, words))
      assert.strictEqual(description, "one two three")
    })
  )
})
