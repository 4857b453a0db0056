import { Jwt } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Arbitrary, Effect, Option, Redacted, Schema } from "effect"
import { Base64Url } from "effect/encoding"
import { connectorClaims, jwt, jwtText, signature } from "./support/jwt.ts"
import { assertNoSecret, shownAs } from "./support/secrecy.ts"

const claimsOf = (claims: object) => jwt(claims).claims

describe("a JWT", () => {
  it("is read with the claims that a federation policy looks at, and stays what it was", () => {
    const { token, claims } = jwt()
    assert.strictEqual(Redacted.value(token), jwtText())
    assert.strictEqual(claims.iss, connectorClaims.iss)
    assert.strictEqual(claims.sub, connectorClaims.sub)
    assert.deepStrictEqual(claims.audiences, ["databricks"])
    assert.strictEqual(claims.exp, 3600)
  })

  it("may have claims beyond these, as every projected token has", () => {
    const { iss, exp } = claimsOf({
      ...connectorClaims,
      "kubernetes.io": { namespace: "flyte" },
      jti: "x",
      nbf: 0,
      iat: 0
    })
    assert.deepStrictEqual({ iss, exp }, { iss: connectorClaims.iss, exp: 3600 })
  })

  it.each([
    [{}, []],
    [{ aud: "databricks" }, ["databricks"]],
    [{ aud: [] }, []],
    [{ aud: ["sts.amazonaws.com", "databricks"] }, ["sts.amazonaws.com", "databricks"]]
  ])("with %j is for the audiences %j", (claims, audiences) => {
    assert.deepStrictEqual(claimsOf(claims).audiences, audiences)
  })

  const [header = "", payload = ""] = jwtText().split(".")
  const part = (value: string) => Base64Url.encode(value)
  it.each([
    ["nothing", ""],
    ["dots", ".."],
    ["text", "not a jwt"],
    ["JSON", JSON.stringify(connectorClaims)],
    ["a JWT cut in its claims", jwtText().slice(0, header.length + 20)],
    ["a JWT cut at its last dot", `${header}.${payload}.`],
    ["a JWT without its signature", `${header}.${payload}`],
    ["a JWT cut in its claims, with something in place of the rest", `${header}.${payload.slice(0, -9)}.${signature}`],
    ["an encrypted JWT, of five parts", `${jwtText()}.x.y`],
    ["two JWTs", `${jwtText()}\n${jwtText()}`],
    ["a JWT with a name before it", `Bearer ${jwtText()}`],
    ["a JWT with a line break after it", `${jwtText()}\n`],
    ["a header that is no JSON", `${part("{")}.${payload}.x`],
    ["a header without an algorithm", `${part("{}")}.${payload}.x`],
    ["claims that are no JSON", `${header}.${part("iss")}.x`],
    ["claims that are a list", `${header}.${part("[]")}.x`],
    ["claims of another type", `${header}.${part('{"iss":1}')}.x`],
    ["an end in words", `${header}.${part('{"exp":"tomorrow"}')}.x`],
    ["characters that Base64url does not have", `${header}.${payload}.a+b/c=`]
  ])("is not %s", (_, text) => {
    assertEquals(Jwt.parse(text), Option.none())
  })

  it.prop("is nothing that throws, whatever the text", { text: Schema.String }, ({ text }) => {
    for (const one of [text, `${part(text)}.${part(text)}.x`, `${header}.${part(text)}.x`]) {
      assert.isBoolean(Option.isSome(Jwt.parse(one)))
    }
  })

  it("shows its claims and nothing of itself", () => {
    assert.include(jwtText(), "S3cr3tM4rk3r", "what is looked for is in it")
    assertNoSecret("a JWT", ...shownAs(jwt()), ...shownAs(Option.some(jwt())))
    assert.include(JSON.stringify(jwt()), "<redacted:JWT>")
  })
})

describe("the end of a JWT", () => {
  it("is seen a minute late, since clocks disagree", () => {
    const claims = claimsOf({ exp: 1_000 })
    assert.isFalse(Jwt.hasExpired(claims, 0))
    assert.isFalse(Jwt.hasExpired(claims, 1_000_000))
    assert.isFalse(Jwt.hasExpired(claims, 1_059_999))
    assert.isTrue(Jwt.hasExpired(claims, 1_060_000))
  })

  it("never comes where there is none", () => {
    assert.isFalse(Jwt.hasExpired(claimsOf({}), Number.MAX_SAFE_INTEGER))
    assertEquals(Jwt.expiry(claimsOf({})), Option.none())
  })

  it.effect.prop("can be named for every JWT that can be read", { exp: Arbitrary.schema(Schema.Finite) }, ({ exp }) =>
    Effect.sync(() => {
      const parsed = Jwt.parse(jwtText({ exp }))
      if (Option.isSome(parsed)) {
        assert.match(Option.getOrThrow(Jwt.expiry(parsed.value.claims)), /^[+-]?\d{4,6}-\d\d-\d\dT/)
      }
    })
  )

  it("is named as ISO 8601 has it", () => {
    assertEquals(Jwt.expiry(claimsOf({ exp: 1_767_225_600 })), Option.some("2026-01-01T00:00:00.000Z"))
  })
})
