/** Which failures may pass, so that polls do not end a task for them. */
import { assert, describe, it } from "@effect/vitest"
import { AuthError } from "@flyte-databricks/databricks-auth"
import { isTransient } from "../../src/call/Faults.ts"

const failure = (reason: AuthError.Reason) => new AuthError.AuthError({ reason })

describe("a failure may pass", () => {
  it("where the connector is about to end: the next call reaches another one", () => {
    assert.isTrue(isTransient(failure(new AuthError.AuthClosed())))
  })

  it("where a page came in place of a token", () => {
    const endpoint = "https://dbc-a1b2.cloud.databricks.com/oidc/v1/token"
    const reason = new AuthError.TokenResponseInvalid({ endpoint, status: 200, problem: "the body is an HTML page" })
    assert.isTrue(isTransient(failure(reason)))
  })

  it("and not where the identity is another one", () => {
    const reason = new AuthError.IdentityChanged({
      source: "Secret team-a/databricks-oauth",
      expected: "a",
      found: "b"
    })
    assert.isFalse(isTransient(failure(reason)))
  })
})
