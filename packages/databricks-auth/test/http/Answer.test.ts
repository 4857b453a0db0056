import * as Answer from "@flyte-databricks/databricks-auth/http/Answer"
import * as LiveSecrets from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { Headers } from "effect/http"

const headers = (input: Record<string, string>) => Headers.fromInput(input)

describe("an HTTP answer", () => {
  LiveSecrets.add(Redacted.make("hunter22"))

  it.each([408, 429, 500, 502, 503, 504, 599])("with %i may pass", (status) => {
    assert.isTrue(Answer.mayPass(status))
  })

  it.each([200, 302, 400, 401, 403, 404, 409, 425, 499])("with %i may not", (status) => {
    assert.isFalse(Answer.mayPass(status))
  })

  it.each([
    [401, undefined, true],
    [403, "x: Invalid Access Token.", true],
    [403, '{"message":"The token is expiring within 30 seconds"}', true],
    [403, "no permission", false],
    [403, undefined, false],
    [403, ["invalid access token"], false],
    [400, "invalid access token", false],
    [200, "invalid access token", false]
  ])("of %i that says %j refuses the token: %j", (status, body, isRefusal) => {
    assert.strictEqual(Answer.refusesToken({ status, body }), isRefusal)
  })

  it("is looked through for that from its beginning, as far as its length says", () => {
    const body = `${" ".repeat(Answer.refusalLength - 20)}invalid access token`
    assert.isTrue(Answer.refusesToken({ status: 403, body }))
    assert.isFalse(Answer.refusesToken({ status: 403, body: ` ${body}` }))
  })

  it("has the id that support asks for, under either name, on one line and without secrets", () => {
    assert.strictEqual(Answer.requestId(headers({ "X-Request-Id": "r-1", "x-databricks-request-id": "r-2" })), "r-1")
    assert.strictEqual(Answer.requestId(headers({ "x-request-id": "", "x-databricks-request-id": "r-2" })), "r-2")
    assert.isUndefined(Answer.requestId(headers({})))
    const long = Answer.requestId(headers({ "x-request-id": `a\u0007hunter22 ${"b".repeat(1000)}` }))
    assert.match(long!, /^a <redacted> b+…$/)
    assert.strictEqual(long!.length, 100)
  })

  it.each([
    ["<!doctype html><p>Log in", true],
    ["\n <HTML>", true],
    ["<head>", true],
    ["<Body>", true],
    ["<p>", false],
    ["see <html> for more", false],
    ["", false]
  ])("whose body is %j is a page: %j", (body, isPage) => {
    assert.strictEqual(Answer.isHtml(body), isPage)
    if (isPage) assert.strictEqual(Answer.describeBody(body), "the body is an HTML page, not JSON")
  })

  it("says what its body is that is not JSON", () => {
    assert.strictEqual(Answer.describeBody(" \r\n"), "the body is empty")
    assert.strictEqual(Answer.describeBody('{"a":'), "the body is not JSON, or only the beginning of it")
  })

  it("says where it redirects to, without the query and without secrets", () => {
    const leadsTo = (location: string) => Answer.describeRedirect(headers({ location }))
    assert.strictEqual(
      leadsTo("https://login.example/hunter22/in?next=x#y"),
      "it redirects to https://login.example/<redacted>/in, which is not followed with credentials"
    )
    assert.strictEqual(leadsTo("?x"), "it is a redirect, which is not followed with credentials")
    assert.strictEqual(Answer.describeRedirect(headers({})), "it is a redirect, which is not followed with credentials")
    assert.deepStrictEqual([299, 300, 399, 400].map(Answer.isRedirect), [false, true, true, false])
  })
})
