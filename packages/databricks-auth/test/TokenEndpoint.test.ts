import {
  AuthError,
  type AuthMode,
  Jwt,
  RetryPolicy,
  TokenEndpoint,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Cause, Duration, Effect, Exit, Fiber, Layer, Option, Random, Redacted, Schedule, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { type Answer, answer, makeHttp, networkFault, silence } from "./support/http.ts"

const request: TokenEndpoint.ClientCredentialsRequest = {
  instance: WorkspaceHost.WorkspaceHost.make("dbc-a1b2.cloud.databricks.com"),
  clientId: "app-1",
  clientSecret: Redacted.make("hunter2"),
  source: "Secret databricks-oauth in namespace team-a"
}
const endpoint = "https://dbc-a1b2.cloud.databricks.com/oidc/v1/token"
const granted = answer(200, { access_token: "t1", token_type: "Bearer", expires_in: 3600 })

const ask = (asked: TokenEndpoint.ClientCredentialsRequest = request) =>
  TokenEndpoint.TokenEndpoint.use(({ clientCredentials }) => clientCredentials(asked))

const never = Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(0))

/** The outcome of one request that gets this answer, and no second try. */
const answered = (given: Answer, asked = request) =>
  Effect.gen(function* () {
    const { layer } = yield* makeHttp(given)
    return yield* ask(asked).pipe(Effect.provide(TokenEndpoint.layer), Effect.provide([layer, never]))
  })

const problemOf = (given: Answer) =>
  Effect.map(Effect.flip(answered(given)), (error) => {
    assert(error.reason._tag === "TokenResponseInvalid", `${error.reason._tag}: ${error.message}`)
    assert.isFalse(error.retryable)
    assert.include(error.message, endpoint)
    return error.reason.problem
  })

const refusalOf = (given: Answer, asked = request) =>
  Effect.map(Effect.flip(answered(given, asked)), (error) => {
    assert(error.reason._tag === "TokenRefused", `${error.reason._tag}: ${error.message}`)
    assert.isFalse(error.retryable)
    return error.reason
  })

describe("a request for client credentials", () => {
  it.effect("is the one of RFC 6749 §4.4.2, with the client authenticated by HTTP Basic", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(granted)
      yield* ask().pipe(Effect.provide(TokenEndpoint.layer), Effect.provide(layer))
      const [only, ...more] = yield* sent
      assert.lengthOf(more, 0)
      assert.strictEqual(only!.method, "POST")
      assert.strictEqual(only!.url, endpoint)
      assert.strictEqual(only!.headers["content-type"], "application/x-www-form-urlencoded")
      assert.strictEqual(only!.headers["accept"], "application/json")
      assert.strictEqual(only!.headers["authorization"], `Basic ${Buffer.from("app-1:hunter2").toString("base64")}`)
      assert.deepStrictEqual([...new URLSearchParams(only!.body)].toSorted(), [
        ["grant_type", "client_credentials"],
        ["scope", "all-apis"]
      ])
    })
  )

  it.effect("goes to a loopback stand-in over http", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(granted)
      yield* ask({ ...request, instance: WorkspaceHost.WorkspaceHost.make("http://localhost:8080") }).pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide(layer)
      )
      assert.strictEqual((yield* sent)[0]!.url, "http://localhost:8080/oidc/v1/token")
    })
  )

  it.effect.prop(
    "carries any id and secret so that a server reads back exactly them (RFC 6749 §2.3.1)",
    { clientId: Schema.String, clientSecret: Schema.String },
    ({ clientId, clientSecret }) =>
      Effect.gen(function* () {
        const { layer, sent } = yield* makeHttp(granted)
        yield* ask({ ...request, clientId, clientSecret: Redacted.make(clientSecret) }).pipe(
          Effect.provide(TokenEndpoint.layer),
          Effect.provide(layer)
        )
        const [scheme, encoded] = (yield* sent)[0]!.headers["authorization"]!.split(" ")
        assert.strictEqual(scheme, "Basic")
        const halves = Buffer.from(encoded!, "base64").toString("latin1").split(":")
        const decode = (half: string | undefined) => new URLSearchParams(`v=${half}`).get("v")
        assert.lengthOf(halves, 2, "a colon inside of a half is encoded")
        assert.deepStrictEqual(halves.map(decode), [clientId.toWellFormed(), clientSecret.toWellFormed()])
      })
  )

  it.effect("encodes reserved characters as a form does", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(granted)
      yield* ask({ ...request, clientId: "a:b c", clientSecret: Redacted.make("p+&=%/ä*~") }).pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide(layer)
      )
      const encoded = (yield* sent)[0]!.headers["authorization"]!.slice("Basic ".length)
      assert.strictEqual(Buffer.from(encoded, "base64").toString(), "a%3Ab+c:p%2B%26%3D%25%2F%C3%A4*%7E")
    })
  )
})

describe("a request for a token in exchange for a JWT", () => {
  const jwt = (claims: object) =>
    [{ alg: "RS256" }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .concat("c2lnbmF0dXJl")
      .join(".")
  const exchange = (text: string) =>
    TokenEndpoint.TokenEndpoint.use(({ tokenExchange }) =>
      tokenExchange({
        instance: request.instance,
        clientId: "app-1",
        subject: Option.getOrThrow(Jwt.parse(text)),
        source: "ServiceAccount team-a/spark"
      })
    )
  const claims = {
    iss: "https://issuer",
    sub: "system:serviceaccount:team-a:spark",
    aud: ["databricks"],
    exp: 4_102_444_800
  }

  it.effect("is the one of RFC 8693 §2.1, with nothing to authenticate the client but the JWT", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(granted)
      const token = yield* exchange(jwt(claims)).pipe(Effect.provide(TokenEndpoint.layer), Effect.provide(layer))
      assert.strictEqual(Redacted.value(token.value), "t1")
      const [only, ...more] = yield* sent
      assert.lengthOf(more, 0)
      assert.strictEqual(only!.method, "POST")
      assert.strictEqual(only!.url, endpoint)
      assert.strictEqual(only!.headers["content-type"], "application/x-www-form-urlencoded")
      assert.strictEqual(only!.headers["accept"], "application/json")
      assert.isUndefined(only!.headers["authorization"])
      assert.deepStrictEqual(Object.fromEntries(new URLSearchParams(only!.body)), {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        scope: "all-apis",
        client_id: "app-1",
        subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
        subject_token: jwt(claims)
      })
    })
  )

  it.effect("that is refused says what the JWT says, which is what the federation policy must", () =>
    Effect.gen(function* () {
      const { layer } = yield* makeHttp(
        answer(400, { error: "invalid_grant", error_description: `no policy for ${jwt(claims)}` })
      )
      const error = yield* Effect.flip(
        exchange(jwt(claims)).pipe(Effect.provide(TokenEndpoint.layer), Effect.provide([layer, never]))
      )
      assert.strictEqual(error.reason._tag, "ExchangeRefused")
      assert.isFalse(error.retryable)
      for (const part of [
        "invalid_grant",
        "https://issuer",
        "system:serviceaccount:team-a:spark",
        "databricks",
        "2100-01-01",
        "app-1"
      ]) {
        assert.include(error.message, part)
      }
      assert.notInclude(JSON.stringify(error.reason), "eyJ")
      assert.notInclude(error.message, "eyJ")
    })
  )

  it.effect("that is refused, for a JWT with claims out of bounds, is an error all the same", () =>
    Effect.gen(function* () {
      for (const odd of [
        {},
        { exp: 1e12 },
        { exp: -1e9 },
        { exp: 0 },
        { exp: 8.64e12 },
        { aud: [] },
        { aud: "databricks" }
      ]) {
        const { layer } = yield* makeHttp(answer(400, { error: "invalid_grant" }))
        const error = yield* Effect.flip(
          exchange(jwt(odd)).pipe(Effect.provide(TokenEndpoint.layer), Effect.provide([layer, never]))
        )
        assert.strictEqual(error.reason._tag, "ExchangeRefused", JSON.stringify(odd))
      }
    })
  )

  it("is not made for a JWT whose end is beyond all dates", () => {
    for (const exp of [1e13, -1e13, 1e300]) assertEquals(Jwt.parse(jwt({ exp })), Option.none())
  })
})

describe("a token", () => {
  it.effect("has the value and the lifetime that the endpoint said, and what it was built from", () =>
    Effect.gen(function* () {
      const token: AuthMode.Token = yield* answered(granted)
      assert.strictEqual(Redacted.value(token.value), "t1")
      assertEquals(token.lifetime, Duration.hours(1))
      assertEquals(token.builtFrom, request.clientSecret)
    })
  )

  it.effect.each([
    [{ access_token: "t1", expires_in: "3600" }, 3600],
    [{ access_token: "t1", expires_in: 59.5 }, 59.5],
    [{ access_token: "t1", token_type: "bearer", expires_in: 1 }, 1],
    [{ access_token: "t1", token_type: "BEARER", expires_in: 60, scope: "all-apis", refresh_token: "x" }, 60],
    [{ access_token: "t1" }, 300],
    [{ access_token: "t1", expires_in: 60, error: null }, 60]
  ] as const)("is read from %j", ([body, seconds]) =>
    Effect.gen(function* () {
      assertEquals((yield* answered(answer(200, body))).lifetime, Duration.seconds(seconds))
    })
  )

  it.effect("is read from a body that comes in pieces, cut inside of a character", () =>
    Effect.gen(function* () {
      const bytes = new TextEncoder().encode(JSON.stringify({ access_token: "t1", expires_in: 60, note: "ä€𝐱" }))
      const pieces = new ReadableStream({
        start(controller) {
          for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
          controller.close()
        }
      })
      assert.strictEqual(Redacted.value((yield* answered(answer(200, pieces))).value), "t1")
    })
  )
})

describe("an answer that is no token", () => {
  it.effect.each([
    ["is an HTML page", answer(200, "<!doctype html><html>login</html>"), /HTML page/],
    ["is an HTML page, with 404", answer(404, "  <html>not found</html>"), /HTML page/],
    ["is an HTML page, with 401", answer(401, "<HTML></HTML>"), /HTML page/],
    ["is empty", answer(200, ""), /empty/],
    ["has no body", answer(200, null), /empty/],
    ["has no body, with 401", answer(401, null), /empty/],
    ["is blank", answer(200, " \r\n"), /empty/],
    ["is text", answer(200, "ok"), /text, not JSON/],
    ["is cut JSON", answer(200, '{"access_token":"t1"'), /text, not JSON/],
    ["is JSON after a byte order mark and text", answer(200, "x\ufeff{}"), /text, not JSON/],
    ["is an array", answer(200, "[]"), /access_token/],
    ["is an array of a token", answer(200, '[{"access_token":"t1"}]'), /access_token/],
    ["is null", answer(200, "null"), /access_token/],
    ["is a string", answer(200, '"t1"'), /access_token/],
    ["is a number", answer(200, "42"), /access_token/],
    ["is an empty object", answer(200, "{}"), /access_token/],
    ["has a blank token", answer(200, { access_token: "", expires_in: 60 }), /access_token/],
    ["has a token that is null", answer(200, { access_token: null, expires_in: 60 }), /access_token/],
    ["has a token that is a number", answer(200, { access_token: 42, expires_in: 60 }), /access_token/],
    ["has a token of another kind", answer(200, { access_token: "t1", token_type: "mac", expires_in: 60 }), /bearer/],
    ["has a token with a line break", answer(200, { access_token: "t1\r\nX-Evil: 1", expires_in: 60 }), /header/],
    ["has a token with a blank", answer(200, { access_token: "t 1", expires_in: 60 }), /header/],
    ["has a token with a NUL", answer(200, { access_token: "t\u00001", expires_in: 60 }), /header/],
    ["has a token beyond ASCII", answer(200, { access_token: "tä", expires_in: 60 }), /header/],
    ["lives for 0 seconds", answer(200, { access_token: "t1", expires_in: 0 }), /expires_in/],
    ["lives for -1 seconds", answer(200, { access_token: "t1", expires_in: -1 }), /expires_in/],
    ["lives for NaN", answer(200, { access_token: "t1", expires_in: "NaN" }), /expires_in/],
    ["lives for Infinity", answer(200, '{"access_token":"t1","expires_in":1e999}'), /expires_in/],
    ["lives for 1e300 seconds", answer(200, { access_token: "t1", expires_in: 1e300 }), /expires_in/],
    ["lives for an hour in words", answer(200, { access_token: "t1", expires_in: "1h" }), /expires_in/],
    ["lives for true", answer(200, { access_token: "t1", expires_in: true }), /expires_in/],
    ["is a redirect", answer(302, "", { location: "https://evil.com/token" }), /redirect/],
    ["is a redirect that keeps the method", answer(307, { access_token: "t1" }, { location: "/other" }), /redirect/],
    ["is not to be modified", answer(304, null), /redirect/],
    ["comes with 201", answer(201, { access_token: "t1", expires_in: 60 }), /OAuth/],
    ["is JSON without an error, with 400", answer(400, { detail: "no" }), /OAuth/],
    ["has 10 MB", answer(200, "x".repeat(10 * 1024 * 1024)), /larger than/]
  ] as const)("%s", ([, given, problem]) =>
    Effect.gen(function* () {
      assert.match(yield* problemOf(given), problem)
    })
  )

  it.effect("never ends: reading stops at the limit, and lets go of the connection", () =>
    Effect.gen(function* () {
      let pulled = 0
      let cancelled = false
      const endless = new ReadableStream({
        pull(controller) {
          pulled += 1
          controller.enqueue(new Uint8Array(64 * 1024))
        },
        cancel() {
          cancelled = true
        }
      })
      assert.match(yield* problemOf(answer(200, endless)), /larger than/)
      assert.isBelow(pulled, 10)
      assert.isTrue(cancelled)
    })
  )

  it.effect("does not get its text into the error", () =>
    Effect.gen(function* () {
      for (const status of [200, 400, 401, 403]) {
        for (const body of ["<html>PRIVATE</html>", "PRIVATE", '{"access_token":42,"x":"PRIVATE"}', '["PRIVATE"]']) {
          const error = yield* Effect.flip(answered(answer(status, body)))
          assert.notInclude(JSON.stringify(error) + error.message, "PRIVATE")
        }
      }
    })
  )

  it.effect("is not asked for a second time", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(answer(200, "<html></html>"), granted)
      yield* Effect.flip(ask().pipe(Effect.provide(TokenEndpoint.layer), Effect.provide(layer)))
      assert.lengthOf(yield* sent, 1)
    })
  )
})

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
      assert.isAtMost(description!.length, 300)
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

describe("a try that may go better the next time", () => {
  const exact = Layer.succeed(
    RetryPolicy.RetryPolicy,
    Schedule.max([Schedule.exponential("100 millis"), Schedule.recurs(3)])
  )

  /** Asks while the clock runs on; tells the outcome, when it was there, and when each request went out. */
  const timed = (policy: Layer.Layer<never>, ...answers: ReadonlyArray<Answer>) =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(...answers)
      const clock = yield* TestClock.testClockWith(Effect.succeed)
      const fiber = yield* ask().pipe(
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

  const unavailable = (exit: Exit.Exit<unknown, AuthError.AuthError>) => {
    assert(Exit.isFailure(exit))
    const error = Cause.findErrorOption(exit.cause)
    assert(error._tag === "Some" && error.value.reason._tag === "TokenEndpointUnavailable", String(exit.cause))
    assert.isTrue(error.value.retryable)
    return { ...error.value.reason, message: error.value.message }
  }

  it.effect.each([408, 429, 500, 502, 503, 504, 599])(
    "%i is tried again at the policy's instants, and the token is given",
    (status) =>
      Effect.gen(function* () {
        const { exit, instants } = yield* timed(exact, answer(status, "x"), answer(status), granted)
        assert.isTrue(Exit.isSuccess(exit))
        assert.deepStrictEqual(instants, [0, 100, 300])
      })
  )

  it.effect.each([400, 401, 403, 404, 405, 409, 410, 422, 425])("%i is final", (status) =>
    Effect.gen(function* () {
      const { exit, instants } = yield* timed(exact, answer(status, { error: "no" }), granted)
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(instants, [0])
    })
  )

  it.effect("gives up when the policy does, and says how often it tried and what the last answer was", () =>
    Effect.gen(function* () {
      const { exit, instants } = yield* timed(exact, answer(502), answer(502), answer(502), answer(503))
      assert.deepStrictEqual(instants, [0, 100, 300, 700])
      const { attempts, detail, message } = unavailable(exit)
      assert.strictEqual(attempts, 4)
      assert.strictEqual(detail, "status 503")
      assert.include(message, "4 times")
    })
  )

  it.effect("that was the only one says so", () =>
    Effect.gen(function* () {
      const { exit } = yield* timed(never, answer(503))
      assert.include(unavailable(exit).message, "once")
    })
  )

  it.effect("ends with the first answer that is final", () =>
    Effect.gen(function* () {
      const { exit, instants } = yield* timed(exact, answer(503), answer(401, { error: "invalid_client" }))
      assert.include(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), "invalid_client")
      assert.deepStrictEqual(instants, [0, 100])
    })
  )

  const coded = (code: string, message = "") => Object.assign(new Error(message), { code })
  it.effect.each([
    ["a refused connection", coded("ECONNREFUSED", "connect ECONNREFUSED 10.0.0.1:443"), "ECONNREFUSED"],
    [
      "connections refused on all addresses",
      Object.assign(new AggregateError([]), { code: "ECONNREFUSED" }),
      "ECONNREFUSED"
    ],
    [
      "a name that does not resolve, as fetch reports it",
      new TypeError("fetch failed", { cause: coded("ENOTFOUND", "getaddrinfo ENOTFOUND x") }),
      "ENOTFOUND"
    ],
    [
      "a certificate's fault",
      coded("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"),
      "self-signed certificate"
    ],
    ["something without a name", undefined, "TransportError"]
  ] as const)("%s is tried again, and the error names it", ([, cause, named]) =>
    Effect.gen(function* () {
      const { exit, instants } = yield* timed(exact, networkFault(cause))
      assert.deepStrictEqual(instants, [0, 100, 300, 700])
      assert.include(unavailable(exit).detail, named)
    })
  )

  it.effect("a connection that breaks inside of the body is tried again", () =>
    Effect.gen(function* () {
      const broken = () =>
        new ReadableStream({
          start(controller) {
            controller.enqueue(new TextEncoder().encode('{"access_token":"t'))
          },
          pull(controller) {
            controller.error(coded("ECONNRESET", "socket hang up"))
          }
        })
      const { exit, instants } = yield* timed(exact, (request) => answer(200, broken())(request), granted)
      assert.deepStrictEqual(instants, [0, 100])
      assert.isTrue(Exit.isSuccess(exit))
    })
  )

  it.effect("silence is tried again after four seconds, and the connection is let go", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(silence, granted)
      const fiber = yield* ask().pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide([layer, exact]),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("3999 millis")
      assert.deepStrictEqual(
        (yield* sent).map(({ signal }) => signal.aborted),
        [false]
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        (yield* sent).map(({ at }) => at),
        [0, 4100]
      )
      assert.isTrue((yield* sent)[0]!.signal.aborted)
      yield* Fiber.join(fiber)
    })
  )

  it.effect("a body that stops half way is silence too", () =>
    Effect.gen(function* () {
      const stuck = () => new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) })
      const { exit, instants } = yield* timed(exact, (request) => answer(200, stuck())(request), granted)
      assert.deepStrictEqual(instants, [0, 4100])
      assert.isTrue(Exit.isSuccess(exit))
    })
  )

  it.effect("obeys Retry-After whatever the policy, and says how long it asked for when there are no tries left", () =>
    Effect.gen(function* () {
      const { exit, instants } = yield* timed(
        exact,
        answer(429, "", { "retry-after": "2" }),
        answer(429),
        answer(503),
        answer(503, "", { "retry-after": "1" })
      )
      assert.deepStrictEqual(instants, [0, 2000, 2200, 2600])
      const { message } = unavailable(exit)
      assert.include(message, "was tried 4 times and gave no token; the last answer: status 503.")
      assert.include(message, "It asks for 1 s before the next try. Try again.")
    })
  )

  it.effect("is tried again by the policy that holds where the token is asked for", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(answer(503))
      const error = yield* ask().pipe(
        Effect.provideService(RetryPolicy.RetryPolicy, Schedule.recurs(0)),
        Effect.provide(TokenEndpoint.layer),
        Effect.provide([layer, exact]),
        Effect.flip
      )
      assert.lengthOf(yield* sent, 1)
      assert.include(error.message, "once")
    })
  )

  describe("has a body that nobody reads:", () => {
    const failing = (start: (controller: ReadableStreamDefaultController) => void) =>
      Effect.gen(function* () {
        let ended = "no"
        const body = new ReadableStream({ start, cancel: () => void (ended = "cut off") })
        const { exit, instants, at } = yield* timed(never, (request) => answer(503, body)(request))
        assert.strictEqual(unavailable(exit).detail, "status 503")
        assert.deepStrictEqual(instants, [0])
        const { done } = yield* Effect.promise(() => body.getReader().read())
        return { ended, done, at }
      })

    it.effect("a short one is read to its end, so that its connection is free again", () =>
      Effect.gen(function* () {
        const { ended, done, at } = yield* failing((controller) => {
          controller.enqueue(new Uint8Array(10_000))
          controller.close()
        })
        assert.deepStrictEqual({ ended, done, at }, { ended: "no", done: true, at: 0 })
      })
    )

    it.effect("a long one is cut off", () =>
      Effect.gen(function* () {
        const { ended, at } = yield* failing((controller) => {
          for (let i = 0; i < 100; i++) controller.enqueue(new Uint8Array(10_000))
        })
        assert.deepStrictEqual({ ended, at }, { ended: "cut off", at: 0 })
      })
    )

    it.effect("one that does not come is cut off, and waited for no longer than a moment", () =>
      Effect.gen(function* () {
        const { ended, at } = yield* failing(() => undefined)
        assert.deepStrictEqual({ ended, at }, { ended: "cut off", at: 250 })
      })
    )
  })

  describe("of the default policy", () => {
    /** No luck: jitter adds nothing and takes nothing. */
    const middling = Layer.succeed(Random.Random, { nextDoubleUnsafe: () => 0.5, nextIntUnsafe: () => 0 })

    it.effect("is repeated at most four times, each after twice the time, at most a second", () =>
      Effect.gen(function* () {
        const { exit, instants } = yield* timed(middling, answer(503))
        assert.deepStrictEqual(instants, [0, 200, 600, 1400, 2400])
        assert.strictEqual(unavailable(exit).attempts, 5)
      })
    )

    it.effect.prop(
      "is spread by at most a fifth, so that not all come back at once",
      { luck: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.999 })) },
      ({ luck }) =>
        Effect.gen(function* () {
          const random = Layer.succeed(Random.Random, { nextDoubleUnsafe: () => luck, nextIntUnsafe: () => 0 })
          const { instants } = yield* timed(random, answer(503))
          const delays = instants.slice(1).map((instant, i) => instant - instants[i]!)
          assert.lengthOf(delays, 4)
          for (const [i, delay] of delays.entries()) {
            const middle = Math.min(1000, 200 * 2 ** i)
            assert.isAtLeast(delay, 0.8 * middle - 1)
            assert.isAtMost(delay, 1.2 * middle + 1)
          }
        }),
      { arbitrary: { runs: 30 } }
    )

    it.effect.each([3, 8])("waits as long as Retry-After says, in seconds: %i", (seconds) =>
      Effect.gen(function* () {
        const { exit, instants } = yield* timed(middling, answer(429, "", { "retry-after": `${seconds}` }), granted)
        assert.deepStrictEqual(instants, [0, seconds * 1000])
        assert.isTrue(Exit.isSuccess(exit))
      })
    )

    it.effect("waits as long as Retry-After says, as a date", () =>
      Effect.gen(function* () {
        const { instants } = yield* timed(
          middling,
          answer(503, "", { "retry-after": "Thu, 01 Jan 1970 00:00:08 GMT" }),
          granted
        )
        assert.deepStrictEqual(instants, [0, 8000])
      })
    )

    it.effect("waits for less the more time is gone", () =>
      Effect.gen(function* () {
        const slow = (request: Parameters<Answer>[0]) =>
          Effect.delay(answer(503, "", { "retry-after": "6" })(request), "3 seconds")
        const { exit, instants, at } = yield* timed(middling, slow, granted)
        assert.deepStrictEqual(instants, [0])
        assert.strictEqual(at, 3000)
        assert.include(unavailable(exit).message, "It asks for 6 s before the next try, and there were 5.5 s left.")
      })
    )

    it.effect.each(["0", "-5", "soon", "", "Thu, 01 Jan 1960 00:00:00 GMT", "1e3", "NaN"])(
      "keeps to its own delays where Retry-After is %j",
      (header) =>
        Effect.gen(function* () {
          const { instants } = yield* timed(middling, answer(503, "", { "retry-after": header }), granted)
          assert.deepStrictEqual(instants, [0, 200])
        })
    )

    it.effect.each(["9", "20", "86400", "999999999", "Thu, 01 Jan 1970 00:00:09 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"])(
      "does not wait for a Retry-After of %s, which is past the caller's deadline: the caller hears of it at once",
      (header) =>
        Effect.gen(function* () {
          const { exit, instants, at } = yield* timed(middling, answer(429, "", { "retry-after": header }), granted)
          assert.deepStrictEqual(instants, [0])
          assert.isBelow(at, 1000)
          const { detail, retryAfterMillis, message } = unavailable(exit)
          assert.strictEqual(detail, "status 429")
          assert.isAtLeast(retryAfterMillis!, 9000)
          assert.match(
            message,
            /was tried once .* status 429\. It asks for \d+ s before the next try, and there were 8\.5 s left\./
          )
        })
    )

    it.effect.each([
      ["that says nothing", silence],
      [
        "that answers after four seconds",
        (request: Parameters<Answer>[0]) => Effect.delay(answer(503)(request), "4 seconds")
      ],
      [
        "that answers after one second",
        (request: Parameters<Answer>[0]) => Effect.delay(answer(503)(request), "1 second")
      ],
      ["that asks for three seconds each time", answer(503, "", { "retry-after": "3" })]
    ] as const)("ends within Flyte's ten seconds at an endpoint %s, so that the caller hears why", ([, given]) =>
      Effect.gen(function* () {
        const { exit, at } = yield* timed(middling, given)
        assert.isBelow(at, 10_000)
        assert.isAtLeast(unavailable(exit).attempts, 2)
      })
    )
  })
})

describe("a caller that goes away", () => {
  it.effect("takes the request with it", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(silence)
      const fiber = yield* ask().pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide(layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.isTrue((yield* sent)[0]!.signal.aborted)
    })
  )

  it.effect("between two tries is not followed by another", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(answer(503))
      const fiber = yield* ask().pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide(layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      assert.lengthOf(yield* sent, 1)
    })
  )
})

describe("a client that follows redirects by itself", () => {
  it.effect("is told not to: credentials go to the endpoint that was named", () =>
    Effect.gen(function* () {
      const asked: Array<RequestInit | undefined> = []
      const fetch: typeof globalThis.fetch = (_, init) => {
        asked.push(init)
        return Promise.resolve(new Response(null, { status: 307, headers: { location: "https://evil.com" } }))
      }
      const error = yield* ask().pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide(FetchHttpClient.layer),
        Effect.provideService(FetchHttpClient.Fetch, fetch),
        Effect.flip
      )
      assert.include(error.message, "redirect")
      assert.deepStrictEqual(
        asked.map((init) => init?.redirect),
        ["manual"]
      )
    })
  )
})

describe("the endpoint in memory", () => {
  it.effect("answers by the request and its number, and keeps what it was asked", () =>
    Effect.gen(function* () {
      yield* ask()
      assertEquals((yield* ask({ ...request, clientId: "app-2" })).value, Redacted.make("app-2 2"))
      const { requests } = yield* TokenEndpoint.TokenEndpointMemory
      assert.deepStrictEqual(
        (yield* requests).map(({ clientId }) => clientId),
        ["app-1", "app-2"]
      )
    }).pipe(
      Effect.provide(
        TokenEndpoint.layerMemory((asked, count) =>
          Effect.succeed({
            value: Redacted.make(`${asked.clientId} ${count}`),
            lifetime: Duration.hours(1),
            builtFrom: TokenEndpoint.secretOf(asked)
          })
        )
      )
    )
  )
})
