import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import { add, looksLikeSecret } from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { assert, describe, it } from "@effect/vitest"
import { Redacted, Schema } from "effect"

describe("foreign text", () => {
  it.each([
    ["of one line", "as it is", "as it is"],
    ["of several lines", " one\r\n\t two\u2028three\n", "one two three"],
    ["with control characters", "a\u0000b\u0007\u009fc", "a b c"],
    ["in colours", "\u001b[1;31mred\u001b[0m again", "red again"],
    ["with half a character", "a\ud83d b\ude80", "a� b�"],
    ["that is empty", "", ""]
  ])("%s is shown on one line", (_, text, shown) => {
    assert.strictEqual(printable(text, { maxLength: 20 }), shown)
  })

  it("keeps its lines where it is a trace, and loses its colours", () => {
    assert.strictEqual(
      printable("\u001b[31mError\u001b[0m:\r\n\tat x\u0007\n", { maxLength: 100, as: "lines" }),
      "Error:\n\tat x"
    )
  })

  it("keeps its blanks where it is a value, with a mark for what cannot be seen", () => {
    assert.strictEqual(printable(" a\r\n  b\u2028\u0000 ", { maxLength: 100, as: "value" }), " a�  b� ")
  })

  it("is cut where it is longer, but not in the middle of a character", () => {
    assert.strictEqual(printable("abcde", { maxLength: 5 }), "abcde")
    assert.strictEqual(printable("abcdef", { maxLength: 5 }), "abcd…")
    assert.strictEqual(printable("abc🚀ef", { maxLength: 5 }), "abc…")
    assert.strictEqual(printable("🚀abcdef", { maxLength: 5 }), "🚀ab…")
    assert.strictEqual(printable(`a${" ".repeat(100)}`, { maxLength: 5 }), "a…")
    assert.strictEqual(printable(`a${" ".repeat(19)}`, { maxLength: 5 }), "a")
    assert.strictEqual(printable(`a${" ".repeat(18)}🚀 and on`, { maxLength: 5 }), "a …")
  })

  it.each(["dapi0123456789abcdef", "dose0123456789abcdef-2_z", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOi.x-_"])(
    "never has what looks like a secret, wherever it is cut: %s",
    (secret) => {
      assert.isTrue(looksLikeSecret(`got ${secret}.`))
      assert.strictEqual(printable(`got ${secret}, and that`, { maxLength: 100 }), "got <redacted>, and that")
      for (let before = 0; before <= 40; before++) {
        const shown = printable(`${" ".repeat(before)}${secret} and on`, { maxLength: 10 })
        assert.notMatch(shown, /(dapi|dose)[0-9a-f]|eyJ\w/, String(before))
      }
    }
  )

  // Longer than what stands in their place: what is cut off would come into sight. Two of them may overlap.
  const [one, two, three] = ["ABCDEFGHIJ", "KLMNOPQRST", "UVWXYZ"].map((text) => text.repeat(5)) as [
    string,
    string,
    string
  ]
  it.prop(
    "never has a part of a secret, wherever it is cut and however often it is there",
    {
      before: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 120 })),
      times: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10 })),
      maxLength: Schema.Int.check(Schema.isBetween({ minimum: 12, maximum: 60 }))
    },
    ({ before, times, maxLength }) => {
      const text = `${" ".repeat(before)}${`${one}${two}${three}.`.repeat(times)}`
      for (const secret of [`${one}${two}`, `${two}${three}`]) add(Redacted.make(secret))
      assert.notMatch(printable(text, { maxLength }), /[A-Z]{3}/, text)
    },
    { arbitrary: { runs: 500 } }
  )

  it.prop(
    "is never longer than it may be, nor has it control characters",
    { text: Schema.String, times: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 })) },
    ({ text, times }) => {
      const shown = printable(text.repeat(times), { maxLength: 20 })
      assert.isAtMost(shown.length, 20)
      assert.isTrue(shown.isWellFormed())
      assert.notMatch(shown, /[\p{Cc}\u2028\u2029]/u)
    },
    { arbitrary: { runs: 500 } }
  )
})
