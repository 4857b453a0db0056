/** Secrets that somebody says again, in any of the spellings that are common. */
import {
  add,
  leastBytes,
  looksLikeSecret,
  maskedPart,
  redact
} from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { assert, describe, it } from "@effect/vitest"
import { Redacted, Schema } from "effect"
import { jwtText, signature } from "../support/jwt.ts"
import { spellingsOf } from "@flyte-databricks/emulators/testing/Spellings"

const known = (text: string) => (add(Redacted.make(text)), text)

describe("a secret that is known", () => {
  const secret = known(`s3"\\>?>~ü%+/&<b c`)

  it.each(spellingsOf(secret))("is taken out of a text, written %s", (_, spelling) => {
    for (const around of ['got "', "x=", "Basic ", "a/b.", "é "]) {
      assert.strictEqual(redact(`${around}${spelling}.`), `${around}<redacted>.`)
      // A log line is JSON around what somebody said.
      assert.strictEqual(redact(JSON.stringify({ said: `x: ${spelling}` })), '{"said":"x: <redacted>"}')
    }
  })

  it.prop(
    "of any characters is taken out, in any spelling",
    { text: Schema.String.check(Schema.isMinLength(8)) },
    ({ text }) => {
      known(text)
      for (const [how, spelling] of spellingsOf(text)) {
        assert.notInclude(redact(`got <${spelling}>, no`), spelling, how)
      }
    },
    { arbitrary: { runs: 200 } }
  )

  it("is taken out as often as it is there, with the text around it as it was", () => {
    assert.strictEqual(redact(`ä ${secret}${secret} 🚀 ${secret}`), "ä <redacted><redacted> 🚀 <redacted>")
    assert.strictEqual(redact("nothing of the kind"), "nothing of the kind")
    assert.strictEqual(redact(""), "")
  })

  it("has its length in what stands there instead, where that matters", () => {
    assert.strictEqual(
      redact(`a ${secret} b`, { mark: (length) => "*".repeat(length) }),
      `a ${"*".repeat(secret.length)} b`
    )
  })

  it("is taken out of a part that begins or ends in it", () => {
    const text = `a ${secret} b`
    const masked = `a ${"*".repeat(secret.length)} b`
    for (let from = 0; from < text.length; from++) {
      for (let to = from; to <= text.length + 1; to++) {
        assert.strictEqual(maskedPart(text, from, to), masked.slice(from, to))
      }
    }
  })

  it("is seen whole before a text is cut", () => {
    for (let until = 3; until < 2 + secret.length; until++) {
      assert.strictEqual(redact(`a ${secret} b`, { until }), "a <redacted>")
    }
    assert.strictEqual(redact(`a ${secret} b`, { until: 2 }), "a ")
  })

  // It takes seconds where mutants are counted with each character.
  it("is found in a text of 200 KB, wherever it stands", { timeout: 30_000 }, () => {
    for (const before of [64 * 1024 - 5, 64 * 1024, 200_000]) {
      assert.strictEqual(redact(`${" ".repeat(before)}${secret}`), `${" ".repeat(before)}<redacted>`)
    }
  })

  it("is not looked for where it is too short to be told from words", () => {
    assert.strictEqual(redact(`a ${known("x".repeat(leastBytes - 1))} b`), `a ${"x".repeat(leastBytes - 1)} b`)
    assert.strictEqual(redact(`a ${known("y".repeat(leastBytes))} b`), "a <redacted> b")
  })

  it("is found in a text that was looked at before it was known, and beyond where one was cut", () => {
    const [one, other] = ["not-known-yet", "beyond-the-cut"]
    assert.strictEqual(redact(`a ${one} b`), `a ${one} b`)
    known(one)
    assert.strictEqual(redact(`a ${one} b`), "a <redacted> b")
    known(other)
    assert.strictEqual(redact(`a ${other} b`, { until: 1 }), "a")
    assert.strictEqual(redact(`a ${other} b`), "a <redacted> b")
  })

  it("is found among many that end alike, the last of them", () => {
    for (let n = 0; n < 1000; n++) known(`${"0".repeat(n)}-end-alike`)
    assert.strictEqual(redact(`=${"0".repeat(999)}-end-alike`), "=<redacted>")
  })
})

describe("a JWT that is known", () => {
  it.each([
    ["whole", jwtText()],
    ["at the beginning of the secret", `${jwtText()} and more`],
    ["inside of the secret", `{"token":"${jwtText()}"}`],
    ["after words with dots", `a.b.c eyJ.x.y ${jwtText()}`]
  ])("%s is known by its signature too", (_, secret) => {
    known(secret)
    assert.strictEqual(redact(`got ${signature} of you`), "got <redacted> of you")
  })
})

describe("a secret that is not known", () => {
  it.each(["dapi0123456789abcdef", "dose0123456789abcdef-2_z", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOi.x-_"])(
    "goes by its looks: %s",
    (text) => {
      assert.isTrue(looksLikeSecret(`got ${text}.`))
      assert.strictEqual(redact(`got ${text}, and that`), "got <redacted>, and that")
    }
  )
})
