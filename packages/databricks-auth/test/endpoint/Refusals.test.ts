import { AuthError } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Redacted, Schema } from "effect"
import { answer } from "../support/http.ts"
import { answered, endpoint, refusalOf, request } from "./Ask.ts"

describe("a refusal", () => {
  it.effect("says who was refused, in OAuth's words, where the credentials came from, and what support asks for", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        answered(
          answer(401, { error: "invalid_client", error_description: "Client authentication failed", error_id: "e-1" })
        )
      )
      assertEquals(
        error.reason,
        new AuthError.TokenRefused({
          endpoint,
          clientId: "app-1",
          source: request.source,
          status: 401,
          error: "invalid_client",
          description: "Client authentication failed",
          errorId: "e-1"
        })
      )
      for (const part of ["401", "invalid_client", "Client authentication failed", "e-1", "app-1", request.source]) {
        assert.include(error.message, part)
      }
    })
  )

  it.effect.each([
    [{ error: "invalid_request" }, "invalid_request", undefined],
    [{ error: "invalid_grant", error_description: null }, "invalid_grant", undefined],
    [
      { errorCode: "E0000022", errorSummary: "The endpoint does not support the provided HTTP method" },
      "E0000022",
      "The endpoint does not support the provided HTTP method"
    ],
    [{ error_code: "PERMISSION_DENIED", message: "no" }, "PERMISSION_DENIED", "no"],
    [{ error_code: 403, message: "Invalid" }, "403", "Invalid"],
    [{ error: "invalid_client", error_id: 42 }, "invalid_client", undefined],
    [{ error: "invalid_client", error_description: ["a", "b"] }, "invalid_client", '["a","b"]'],
    [{ error: { code: "invalid_client" } }, '{"code":"invalid_client"}', undefined]
  ] as const)("is understood in each of the styles seen: %j", ([body, word, description]) =>
    Effect.gen(function* () {
      const refused = yield* refusalOf(answer(400, body))
      assert.strictEqual(refused.error, word)
      assert.strictEqual(refused.description, description)
    })
  )

  it.effect.each([
    [{ error: "invalid_client", access_token: "t1", expires_in: 60 }],
    [{ error: { code: 1 }, access_token: "t1", expires_in: 60 }],
    [{ error_code: "X", access_token: "t1", expires_in: 60 }]
  ])("with 200 is a refusal all the same: %j", ([body]) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* refusalOf(answer(200, body))).status, 200)
    })
  )

  it.effect("has the request's id where the body has none", () =>
    Effect.gen(function* () {
      const body = { error: "invalid_client" }
      assert.strictEqual((yield* refusalOf(answer(401, body, { "x-request-id": "r-1" }))).errorId, "r-1")
      assert.strictEqual((yield* refusalOf(answer(401, body, { "x-databricks-request-id": "r-2" }))).errorId, "r-2")
      const blank = answer(401, { ...body, error_id: "" }, { "x-request-id": "r-1" })
      assert.strictEqual((yield* refusalOf(blank)).errorId, "r-1")
    })
  )

  it.effect("is one line, and cut", () =>
    Effect.gen(function* () {
      const { description } = yield* refusalOf(
        answer(400, { error: "x", error_description: `a\r\nERROR forged\u2028line\u001b[31m${"b".repeat(100_000)}` })
      )
      assert.notMatch(description!, /[\x00-\x1f\x7f-\x9f\u2028\u2029]/)
      assert.isAtMost(description!.length, 1000)
      const { error } = yield* refusalOf(answer(400, { error: "x".repeat(2000) }))
      assert.isAtMost(error.length, 300)
    })
  )

  it.effect.prop(
    "that repeats the client's secret, however it is written, does not get it into the error",
    // Long enough that it is not in the error's own words.
    { secret: Schema.String.check(Schema.isMinLength(8)) },
    ({ secret }) =>
      Effect.gen(function* () {
        const form = new URLSearchParams({ v: secret }).toString().slice(2)
        const pair = `${new URLSearchParams({ v: "app-1" }).toString().slice(2)}:${form}`
        const spellings = [
          secret,
          form,
          encodeURIComponent(secret.toWellFormed()),
          JSON.stringify(secret).slice(1, -1),
          Buffer.from(secret).toString("base64"),
          Buffer.from(secret).toString("base64url"),
          Buffer.from(pair).toString("base64"),
          Buffer.from(`app-1:${secret}`).toString("base64")
        ]
        for (const spelling of spellings) {
          const echo = `bad "${spelling}" given`
          const error = yield* Effect.flip(
            answered(answer(401, { error: echo, error_description: echo, error_id: echo }), {
              ...request,
              clientSecret: Redacted.make(secret)
            })
          )
          assert(error.reason._tag === "TokenRefused")
          for (const text of [error.message, error.reason.error, error.reason.description, error.reason.errorId]) {
            assert.include(text, "<redacted>")
            assert.notInclude(text, spelling)
          }
        }
      }),
    { arbitrary: { runs: 20 }, timeout: 60_000 }
  )

  it.effect("of lists in lists in lists is a refusal, and not repeated", () =>
    Effect.gen(function* () {
      const nested = `${"[".repeat(50_000)}${"]".repeat(50_000)}`
      for (const body of [`{"error":${nested}}`, `{"error":"x","error_description":${nested},"error_id":${nested}}`]) {
        const { error } = yield* refusalOf(answer(400, body))
        assert.include(["x", "(nested too deep to be repeated)"], error)
      }
    })
  )

  it.effect("has a description and an id only where it says them", () =>
    Effect.gen(function* () {
      const refused = yield* refusalOf(answer(401, { error: "invalid_client" }))
      assert.notProperty(refused, "description")
      assert.notProperty(refused, "errorId")
      assert.include(refused.message, "with 401 invalid_client. Its credentials")
    })
  )

  it.effect("is repeated on one line, with one blank for each gap", () =>
    Effect.gen(function* () {
      const words = { error: "x", error_description: "one \r\n\t two\u0000\u0007three" }
      const { description } = yield* refusalOf(answer(401, words))
      assert.strictEqual(description, "one two three")
    })
  )
})

describe("a refusal that repeats a part of a secret, or another one", () => {
  it.effect.each([
    "dapi0123456789abcdef",
    "dose0123456789abcdef0123",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3Mi",
    "eyJhbGciOiJSUzI1"
  ])("does not get what looks like one into the error: %s", (part) =>
    Effect.gen(function* () {
      const { description, message } = yield* refusalOf(
        answer(401, { error: "x", error_description: `starts with ${part}...` })
      )
      assert.match(description!, /^starts with <redacted>/)
      assert.notInclude(message, part)
    })
  )
})
