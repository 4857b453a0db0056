import { assert } from "@effect/vitest"
import { Shown } from "@flyte-databricks/databricks-auth/testing"
import { Arbitrary, Schema } from "effect"

export const { exit: outcomeShownAs, makeSpans, value: shownAs } = Shown

/** What every secret begins with, so that also a part of one is noticed. */
const marker = "S3cr3tM4rk3r"

/** Secrets of any content, with no blanks around them, since those are trimmed. */
export const secrets: Arbitrary.Arbitrary<string> = Arbitrary.map(Arbitrary.schema(Schema.String), (rest) =>
  `${marker}${rest}`.trim()
)

const base64 = (text: string) => Buffer.from(text).toString("base64")

// Base64 of the marker at each of its three alignments, without the characters that its neighbours decide.
const alignments = ["", "x", "xx"].map((before) => base64(`${before}${marker}`).slice(before === "" ? 0 : 4, -4))

/** No text has a secret in it, nor a part of one, plain, form-encoded or as Base64. */
export const assertNoSecret = (where: string, ...texts: ReadonlyArray<string>): void => {
  for (const text of texts) {
    for (const trace of [marker, encodeURIComponent(marker), ...alignments]) {
      if (text.includes(trace))
        assert.fail(`${where}: ${text.slice(Math.max(0, text.indexOf(trace) - 200), text.indexOf(trace) + 100)}`)
    }
  }
}
