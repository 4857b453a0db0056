/** The code of an error is told by its reason, and by its words where a reason may be several things. */
import { assert, describe, it } from "@effect/vitest"
import { AuthError } from "@flyte-databricks/databricks-auth"
import { JobsError } from "@flyte-databricks/databricks-jobs"
import { Catalogue } from "@flyte-databricks/diagnosis"

const broken = (source: string, problem: string) =>
  new AuthError.AuthError({ reason: new AuthError.CredentialsBroken({ source, problem, remedy: "Mend it." }) })

describe("the code of an error", () => {
  for (const [code, failure] of [
    ["FDC204", broken("Namespace a", "has 2 ServiceAccounts with annotation x: a, b")],
    ["FDC205", broken("The client id", "has neither a client secret nor a JWT file to go with it")],
    ["FDC202", broken("Secret a", "lacks key token")],
    ["FDC207", broken("JWT file /a", "holds a JWT that expired at x: it is no longer rotated")],
    ["FDC206", broken("JWT file /a", "does not exist")],
    ["FDC211", broken("The mounted Secret /a", "exists but cannot be read (PermissionDenied)")],
    ["FDC004", new AuthError.AuthError({ reason: new AuthError.InstanceMissing() })],
    [
      "FDC605",
      new JobsError.JobsError({
        reason: new JobsError.RequestRejected({ operation: "submit", instance: "w", status: 400, detail: "no" })
      })
    ]
  ] as const) {
    it(`is ${code}: ${failure.message.slice(0, 60)}`, () => {
      assert.isTrue(Catalogue.isFailure(failure))
      assert.strictEqual(Catalogue.codeOf(failure), code)
    })
  }

  it("is none where an error is not of this project", () => {
    for (const error of [
      { _tag: "Other" },
      { _tag: "Other", reason: "CredentialsBroken" },
      { _tag: "Other", reason: { _tag: "constructor", message: "" } }
    ]) {
      assert.isFalse(Catalogue.isFailure(error))
    }
  })
})

describe("an entry", () => {
  it("says what is wrong, what to do and where docs/ has more", () => {
    for (const code of Catalogue.codes) {
      const { text, repair, anchor } = Catalogue.entry(code)
      assert.match(anchor, /^docs\/[a-z]+\.md#[a-z0-9-]+$/, code)
      assert.isFalse(text.endsWith("."), `${code}: a detail follows after a full stop`)
      assert.match(repair, /[.`]$/, code)
    }
  })

  it("knows its words in their order, with anything between", () => {
    const [words = ""] = Catalogue.entry("FDC405").says ?? []
    assert.include(words, "…")
    const parts = words.split("…").map((part) => part.trim())
    assert.isTrue(Catalogue.isSaid("FDC405", parts.join(" this and that ")))
    assert.isFalse(Catalogue.isSaid("FDC405", parts.toReversed().join(" ")))
  })
})
