import { type Token, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Duration, Effect, Redacted } from "effect"
import { answer, makeHttp } from "../support/http.ts"
import { answered, ask, granted, problemOf, request } from "./Ask.ts"

describe("a token", () => {
  it.effect("has the value and the lifetime that the endpoint said, and what it was built from", () =>
    Effect.gen(function* () {
      const token: Token.Token = yield* answered(granted)
      assert.strictEqual(Redacted.value(token.value), "t1")
      assertEquals(token.lifetime, Duration.hours(1))
      assertEquals(token.builtFrom, request.clientSecret)
      assert.notProperty(token, "requestId")
    })
  )

  it.effect("has the id that the endpoint gave the request, for whoever keeps a record", () =>
    Effect.gen(function* () {
      const body = { access_token: "t1", expires_in: 60 }
      assertEquals((yield* answered(answer(200, body, { "x-request-id": "r-1" }))).requestId, "r-1")
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
    ["is text", answer(200, "ok"), /not JSON/],
    ["is cut JSON", answer(200, '{"access_token":"t1"'), /only the beginning/],
    ["is JSON after a byte order mark and text", answer(200, "x\ufeff{}"), /not JSON/],
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

  it.effect.each([
    [answer(300, { access_token: "t1" }), "it is a redirect, which is not followed with credentials"],
    [answer(399, ""), "it is a redirect, which is not followed with credentials"],
    [
      answer(302, "", { location: "https://login.example/\u0007in?client=hunter22#top" }),
      "it redirects to https://login.example/ in, which is not followed with credentials"
    ],
    [
      answer(302, "", { location: "/hunter22/dapi0123456789abcdef" }),
      "it redirects to /<redacted>/<redacted>, which is not followed with credentials"
    ],
    [answer(200, ""), "the body is empty"],
    [answer(200, "<!DOCTYPE html><p>Log in"), "the body is an HTML page, not JSON"],
    [answer(200, "\n <HTML>"), "the body is an HTML page, not JSON"],
    [answer(200, "see <html> for more"), "the body is not JSON, or only the beginning of it"],
    [answer(403, { detail: "no" }), "the body names no OAuth error"]
  ] as const)("says what it is instead (%#)", ([given, problem]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* problemOf(given), problem)
    })
  )
})
