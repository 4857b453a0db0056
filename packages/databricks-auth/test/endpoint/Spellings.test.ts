/** How a secret may be written, found in time that is in proportion to the secret. */
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { spellings } from "../../src/endpoint/internal/basicCredentials.ts"
import { growth } from "@flyte-databricks/emulators/testing/Growth"
import { jwtText, signature } from "../support/jwt.ts"

const of = (secret: string) => spellings("app-1", Redacted.make(secret))

describe("the signature of a JWT", () => {
  it.each([
    ["the secret is", jwtText()],
    ["the secret begins with", `${jwtText()} and more`],
    ["the secret has inside", `{"token":"${jwtText()}"}`],
    ["the secret has inside after words with dots", `a.b.c eyJ.x.y ${jwtText()}`]
  ])("that %s is a spelling", (_, secret) => {
    assert.include(of(secret), signature)
  })

  it.each(["eyJ", "eyJ.a.b", "eyJa..b", "eyJa.b", "eyJa.b.", "a.b.c", "eyJa b.c"])(
    "is none where there is no JWT: %s",
    (secret) => {
      const parts = secret.split(/[. ]/).filter((part) => part.length === 1)
      for (const part of parts) assert.notInclude(of(secret), part)
    }
  )

  it("is one of ten at most, however many JWTs a secret has", () => {
    const many = Array.from({ length: 1000 }, (_, n) => `eyJa.b.signature${n}`).join(" ")
    assert.lengthOf(
      of(many).filter((spelling) => /^signature\d+$/.test(spelling)),
      10
    )
  })
})

describe("a secret's spellings take time in proportion to it", () => {
  it.each([
    ["beginnings of JWTs", "eyJ"],
    ["beginnings of JWTs and dots", "eyJa."],
    ["JWTs", "eyJa.b.c "],
    ["dots", "."],
    ["what every encoding escapes", '"ü%']
  ])("of %s", (_, part) => {
    assert.isBelow(
      growth((size) => part.repeat(size), of),
      64
    )
  })
})
