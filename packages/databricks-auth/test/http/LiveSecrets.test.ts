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
    const far = `a ${" ".repeat(200_000)}${other}`
    assert.strictEqual(redact(far, { until: 1 }), "a")
    assert.strictEqual(redact(far), `a ${" ".repeat(200_000)}<redacted>`)
  })

  it("is found whole, however long it and its spelling are, where the text is cut at its beginning", () => {
    const long = known("0123456789".repeat(500))
    const escaped = long.replaceAll(/./g, (digit) => `\\u003${digit}`)
    for (const spelling of [long, escaped]) assert.strictEqual(redact(`a ${spelling} b`, { until: 3 }), "a <redacted>")
  })

  it("is found among many that end alike, the last 64 of them", () => {
    for (let n = 0; n < 1000; n++) known(`${"0".repeat(n)}-end-alike`)
    assert.strictEqual(redact(`=${"0".repeat(999)}-end-alike`), "=<redacted>")
    assert.strictEqual(redact(`=${"0".repeat(936)}-end-alike`), "=<redacted>")
    assert.strictEqual(redact(`=${"0".repeat(935)}-end-alike`), `=${"0".repeat(935)}-end-alike`)
  })

  it("is known beside one that ends alike, however often that one comes", () => {
    known("this one ends so")
    for (let n = 0; n < 100; n++) known("that one ends so")
    known("others end so, and so one ends so")
    assert.strictEqual(redact("this one ends so; that one ends so"), "<redacted>; <redacted>")
  })

  it("is none in a text without one, which is given as far as was asked", () => {
    for (let n = 0; n < 2; n++) assert.strictEqual(redact("harmless words", { until: 3 }), "har")
    assert.strictEqual(redact("harmless words"), "harmless words")
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

  it("is known by the signatures of the first ten, where a secret is made of more", () => {
    known(Array.from({ length: 11 }, (_, n) => `eyJh.eyJp.signature-${n}-`).join(" "))
    assert.strictEqual(redact("signature-9-, signature-10-"), "<redacted>, signature-10-")
  })

  it("is not one for its dots: such a secret is known as a whole alone", () => {
    for (const [secret, part] of [
      ["first-part.other-part.third-part", "third-part"],
      ["first-part.other-part.third-part", "other-part"],
      ["eyJh..behind-nothing", "behind-nothing"],
      ["eyJh.no-signature", "no-signature"]
    ] as const) {
      known(secret)
      assert.strictEqual(redact(`a ${part} b`), `a ${part} b`)
      assert.strictEqual(redact(`a ${secret} b`), "a <redacted> b")
    }
  })
})

describe("a secret that is not known", () => {
  it.each(["dapi0123456789abcdef", "dose0123456789abcdef-2_z", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOi.x-_"])(
    "goes by its looks: %s",
    (text) => {
      assert.isTrue(looksLikeSecret(`got ${text}.`))
      assert.isTrue(looksLikeSecret(text))
      assert.strictEqual(redact(`got ${text}, and that`), "got <redacted>, and that")
    }
  )

  it.each(["some words", "dapi", "dose of it", "eyJ", "dapi0123456789abcde", ""])(
    "is no secret by its looks: %j",
    (text) => {
      assert.isFalse(looksLikeSecret(text))
      assert.strictEqual(redact(text), text)
    }
  )
})
