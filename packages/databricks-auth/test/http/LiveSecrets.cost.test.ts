/** What it costs to look for secrets in a text that was made to be slow to look through. */
import { add, redact } from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { assert, describe, it } from "@effect/vitest"
import { growth } from "@flyte-databricks/emulators/testing/Growth"
import { Redacted } from "effect"

const known = (text: string) => (add(Redacted.make(text)), text)

describe("takes time in proportion", () => {
  known("a".repeat(100))
  known(`${"eyJa.b.c ".repeat(300)}`)
  known("%41".repeat(1000))

  it.each([
    ["beginnings of JWTs", "eyJ"],
    ["beginnings of JWTs and dots", "eyJa."],
    ["JWTs", "eyJa.b.c "],
    ["beginnings of tokens", "dapi0123456789abcde"],
    ["a secret's own letters", "a"],
    ["letters of a secret, one short", `${"a".repeat(99)}.`],
    ["percent signs", "%"],
    ["percent-encoded percent signs", "%25"],
    ["backslashes", "\\"],
    ["escapes of JSON", "\\u0061"],
    ["ampersands", "&"],
    ["entities", "&#97;"],
    ["base64", "YWFh"],
    ["base64 of escapes", "JTQx"],
    ["hexadecimal", "61"],
    ["all of it", '%5c\\u0025&amp;YWFhYWFhYWFh+"ü']
  ])("to a text of %s", (_, part) => {
    assert.isBelow(
      growth((size) => part.repeat(size), redact),
      64
    )
  })

  it.each([
    ["beginnings of JWTs", "eyJ"],
    ["JWTs", "eyJa.b.c "],
    ["dots", "."]
  ])("to a secret of %s", (_, part) => {
    assert.isBelow(
      growth((size) => part.repeat(size), known),
      64
    )
  })

  it("to the text alone, however many secrets are known", () => {
    const text = "The quick brown fox jumps over the lazy dog. ".repeat(1000)
    const alone = growth(() => text, redact, 1)
    for (let n = 0; n < 50_000; n++) known(`secret-number-${n}`)
    assert.isBelow(alone, 4)
    const before = process.threadCpuUsage().user
    for (let n = 0; n < 20; n++) redact(text)
    // 900 KB: some 30 ms. Secret by secret it would be minutes.
    assert.isBelow((process.threadCpuUsage().user - before) / 1000, 2000)
  })
})
