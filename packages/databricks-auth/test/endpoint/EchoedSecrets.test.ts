/** A server may send back what it was sent, in any way of writing it. */
import { RetryPolicy, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { answer, makeHttp } from "../support/http.ts"
import { jwt, jwtText, signature } from "../support/jwt.ts"
import { host } from "../support/tokens.ts"

/** What the error repeats of a refusal in these words. */
const repeated = (words: string, credential: { readonly secret: string; readonly clientId?: string } | "a JWT") =>
  Effect.gen(function* () {
    const { layer } = yield* makeHttp(answer(401, { error: "x", error_description: words }))
    const common = { instance: host, source: "s" }
    const error = yield* TokenEndpoint.TokenEndpoint.use((endpoint) =>
      credential === "a JWT"
        ? endpoint.tokenExchange({ ...common, clientId: "app-1", subject: jwt() })
        : endpoint.clientCredentials({
            ...common,
            clientId: credential.clientId ?? "app-1",
            clientSecret: Redacted.make(credential.secret)
          })
    ).pipe(
      Effect.flip,
      Effect.provide(TokenEndpoint.layer),
      Effect.provide([layer, Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(0))])
    )
    return "description" in error.reason ? error.reason.description : assert.fail(error.message)
  })

const base64 = (text: string) => Buffer.from(text).toString("base64")

describe("a client secret that a refusal repeats", () => {
  const secret = `s3"\\>?>~ü%+/`
  it.effect.each([
    ["as it is", secret],
    ["as a form carries it", "s3%22%5C%3E%3F%3E%7E%C3%BC%25%2B%2F"],
    ["as a URL carries it", encodeURIComponent(secret)],
    ["as JSON carries it", `s3\\"\\\\>?>~ü%+/`],
    ["as Base64", base64(secret)],
    ["as Base64 for URLs", Buffer.from(secret).toString("base64url")],
    ["as Base64 without its padding", base64(secret).replaceAll("=", "")],
    ["with the client id, as Base64", base64(`app-1:${secret}`)],
    ["with the client id, as Base64 for URLs", Buffer.from(`app-1:${secret}`).toString("base64url")],
    ["as HTTP Basic carries it", base64(`app-1:${new URLSearchParams({ v: secret }).toString().slice(2)}`)]
  ])("%s is not repeated", ([, spelling]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* repeated(`got ${spelling}, want another`, { secret }), "got <redacted>, want another")
    })
  )

  it.effect("as Base64 is taken whole, also where a part of it is the secret's own Base64", () =>
    Effect.gen(function* () {
      const clientId = "ab"
      const both = base64(`${clientId}:hunter22`)
      assert.include(both, base64("hunter22"))
      assert.strictEqual(yield* repeated(`got ${both}.`, { clientId, secret: "hunter22" }), "got <redacted>.")
    })
  )

  it.effect("leaves the words around it, and all of them where the secret is empty", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* repeated("unknown client", { secret: "hunter22" }), "unknown client")
      assert.strictEqual(yield* repeated("unknown client", { secret: "" }), "unknown client")
    })
  )
})

describe("another's secret that a refusal repeats", () => {
  it.effect.each(["dapi0123456789abcdef", "dose0123456789abcdef-2_z", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOi.x-_"])(
    "goes as far as it goes: %s",
    (text) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* repeated(`got ${text}, and that`, { secret: "s3" }), "got <redacted>, and that")
      })
  )
})

describe("a JWT that a refusal repeats", () => {
  it.effect.each([
    ["whole", jwtText()],
    ["by its signature", signature],
    ["without its signature", jwtText().slice(0, -signature.length)]
  ])("%s is not repeated", ([, part]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* repeated(`got ${part} of you`, "a JWT"), "got <redacted> of you")
    })
  )
})
