/** What the interceptor of undici does with a request, and with what comes back. */
import { assert, describe, it } from "@effect/vitest"
import { undiciInterceptor } from "../../src/client/adapters/undici.ts"

const origin = "https://dbc-1.cloud.databricks.com"

interface Request {
  readonly origin?: string | URL
  readonly path?: string
  readonly headers?: unknown
}
type Handler = Readonly<Record<string, unknown>>
type Called = (...given: ReadonlyArray<unknown>) => unknown

/** An interceptor in front of nothing: requests are kept, and those that refuse a token are counted. */
const intercept = (
  headers: Readonly<Record<string, string>> = { authorization: "Bearer t1" },
  invalidate = () => Promise.resolve()
) => {
  const refused: Array<string | undefined> = []
  const workspace = {
    origin: () => Promise.resolve(origin),
    headers: () => Promise.resolve(headers),
    invalidate: (token?: string) => {
      refused.push(token)
      return invalidate()
    }
  }
  const send = (request: Request, handler: Handler = {}) =>
    new Promise<{ readonly request: Request; readonly handler: Handler }>((resolve, reject) => {
      const dispatch = undiciInterceptor(workspace)((request: Request, handler: Handler) => {
        resolve({ request, handler })
        return false
      })
      const onResponseError = (_: unknown, error: Error) => reject(error)
      const all = "onResponseError" in handler ? handler : Object.assign(Object.create(handler), { onResponseError })
      assert.isTrue(dispatch(request, all))
    })
  return { refused, send }
}

describe("a request of undici", () => {
  const ours = ["authorization", "Bearer t1"]
  for (const [what, headers, sent] of [
    ["without headers", undefined, ours],
    ["with none", null, ours],
    [
      "with an object",
      { "X-Mine": "1", nothing: undefined, many: ["a", "b"] },
      ["X-Mine", "1", "many", "a", "many", "b", ...ours]
    ],
    ["with names and values in turns", ["X-Mine", "1", "x", ["a", 2]], ["X-Mine", "1", "x", "a", "x", "2", ...ours]],
    ["with a name that has no value", ["X-Mine"], ours],
    [
      "with pairs",
      new Map<string, unknown>([
        ["X-Mine", "1"],
        ["many", ["a", "b"]]
      ]),
      ["X-Mine", "1", "many", "a", "many", "b", ...ours]
    ],
    ["with Headers", new Headers({ "X-Mine": "1" }), ["x-mine", "1", ...ours]],
    ["with no pairs", [], ours],
    ["with an authorization of its own", { Authorization: "Bearer mine", a: "b" }, ["a", "b", ...ours]]
  ] as const) {
    it(`${what} has the token beside them`, async () => {
      const { request } = await intercept().send({ origin, path: "/x", headers })
      assert.deepStrictEqual(request, { origin, path: "/x", headers: sent })
    })
  }

  it("says which workspace is meant, where the host serves several", async () => {
    const both = { authorization: "Bearer t1", "x-databricks-workspace-id": "1234" }
    const { request } = await intercept(both).send({ origin: new URL(origin) })
    assert.deepStrictEqual(request.headers, [...ours, "x-databricks-workspace-id", "1234"])
  })

  for (const [what, request, to] of [
    ["to another origin", { origin: "https://example.com/x" }, "https://example.com"],
    ["that names no origin", {}, "no origin"]
  ] as const) {
    it(`${what} has no token, and fails`, async () => {
      const error = await intercept()
        .send(request)
        .catch((error: unknown) => error)
      assert.include(error, {
        code: "origin_foreign",
        message: `The token goes to ${origin} alone, and this request to ${to}.`
      })
    })
  }

  it("is not sent where its handler does not hear of errors either", async () => {
    const { send } = intercept()
    const sent = send({ origin: "https://example.com" }, { onResponseError: undefined }).then(() => "sent")
    // What comes to nothing is not waited for: a request that is sent afterwards is.
    const next = send({ origin }).then(() => "next")
    assert.strictEqual(await Promise.race([sent, next]), "next")
  })
})

describe("the handler of undici", () => {
  const start = async (status: number, given: Handler = {}, invalidate?: () => Promise<void>) => {
    const { refused, send } = intercept(undefined, invalidate)
    const { handler } = await send({ origin }, given)
    ;(handler["onResponseStart"] as Called)("controller", status, { a: "b" }, "text")
    return refused
  }

  it("hears of an answer, and the client of one that refuses its token", async () => {
    const heard: Array<ReadonlyArray<unknown>> = []
    const onResponseStart = (...all: ReadonlyArray<unknown>) => void heard.push(all)
    assert.deepStrictEqual(await start(401, { onResponseStart }), ["t1"])
    for (const status of [200, 403]) assert.deepStrictEqual(await start(status, { onResponseStart }), [])
    assert.deepStrictEqual(
      heard,
      [401, 200, 403].map((status) => ["controller", status, { a: "b" }, "text"])
    )
  })

  it("need not hear of it", async () => {
    assert.deepStrictEqual(await start(401), ["t1"])
  })

  it("does not suffer where the client was closed meanwhile", async () => {
    assert.deepStrictEqual(await start(401, {}, () => Promise.reject(new Error("closed"))), ["t1"])
  })

  it("is itself otherwise", async () => {
    const given = {
      name: "mine",
      onResponseData() {
        return this === given ? "itself" : "another"
      },
      onResponseError: () => {}
    }
    const { handler } = await intercept().send({ origin }, given)
    assert.strictEqual(handler["name"], "mine")
    assert.strictEqual((handler["onResponseData"] as Called)(), "itself")
    assert.isUndefined(handler["onRequestUpgrade"])
  })
})
