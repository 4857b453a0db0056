/** The one error of the client. */
import { assert, describe, it } from "@effect/vitest"
import { DatabricksError } from "../../src/client.ts"

describe("an error of the client", () => {
  it("has a name, a code and a message, and is not worth another try unless it says so", () => {
    const error = new DatabricksError("closed", "It is closed.")
    assert.strictEqual(String(error), "DatabricksError: It is closed.")
    assert.deepStrictEqual([error.code, error.retryable, error.retryAfterMillis], ["closed", false, 0])
    const later = new DatabricksError("unavailable", "Away.", { retryable: true, retryAfterMillis: 1000 })
    assert.deepStrictEqual([later.retryable, later.retryAfterMillis], [true, 1000])
  })

  it("has a cause where there is one, and no empty one", () => {
    const cause = new Error("why")
    assert.strictEqual(new DatabricksError("unexpected", "m", { cause }).cause, cause)
    assert.isFalse(Object.hasOwn(new DatabricksError("unexpected", "m"), "cause"))
  })

  it("is told from anything else, also where another copy of the library made it", () => {
    const copy = Object.assign(new Error("m"), { name: "DatabricksError" })
    for (const one of [new DatabricksError("closed", "m"), copy]) assert.isTrue(DatabricksError.is(one))
    const call = Object.defineProperty(() => {}, "name", { value: "DatabricksError" })
    for (const other of [null, undefined, "DatabricksError", {}, { name: "Error" }, new Error("m"), call]) {
      assert.isFalse(DatabricksError.is(other))
    }
  })
})
