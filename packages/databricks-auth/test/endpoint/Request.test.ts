import { Jwt, TokenEndpoint, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Option, Redacted, Schema } from "effect"
import { answer, makeHttp } from "../support/http.ts"
import { ask, endpoint, granted, never, request } from "./Ask.ts"

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
      assert.strictEqual(only!.headers["authorization"], `Basic ${Buffer.from("app-1:hunter22").toString("base64")}`)
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
