import * as TransportFault from "@flyte-databricks/databricks-auth/http/TransportFault"
import { assert, describe, it } from "@effect/vitest"
import { HttpClientError, HttpClientRequest } from "effect/http"

const said = (cause: unknown) =>
  TransportFault.describe(
    new HttpClientError.HttpClientError({
      reason: new HttpClientError.TransportError({ request: HttpClientRequest.get("http://localhost"), cause })
    })
  )

const nested = (...messages: ReadonlyArray<string>): Error | undefined =>
  messages.reduceRight<Error | undefined>((cause, message) => new Error(message, { cause }), undefined)

const withCode = (message: string, code: unknown) => Object.assign(new Error(message), { code })

describe("what went wrong below HTTP", () => {
  it.each([
    ["the innermost cause's text", nested("fetch failed", "connect ECONNREFUSED"), "connect ECONNREFUSED"],
    ["its code where it has none", withCode("", "ENOTFOUND"), "ENOTFOUND"],
    ["its text where it has both", withCode("getaddrinfo ENOTFOUND", "ENOTFOUND"), "getaddrinfo ENOTFOUND"],
    ["no code that is no text", withCode("", 7), "TransportError"],
    ["what is around it where it has neither", new Error("fetch failed", { cause: new Error("") }), "fetch failed"],
    ["the fifth cause of many", nested("1", "2", "3", "4", "5", "6", "7"), "5"],
    ["the kind of fault where there is no error", "lost", "TransportError"]
  ] as const)("is %s", (_, cause, expected) => {
    assert.strictEqual(said(cause), expected)
  })

  it("is said also of an error that is its own cause", () => {
    const error = new Error("round and round")
    error.cause = error
    assert.strictEqual(said(error), "round and round")
  })
})
