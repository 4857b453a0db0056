import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock, TestConsole } from "effect/testing"
import { basic, form, formHeaders, get, post } from "./support/http.ts"
import { withWorkspace } from "./support/workspace.ts"

const config = "/.well-known/databricks-config"

describe("the record of requests", () => {
  it.effect("holds what came over the wire, and when", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ requests, url }) {
        yield* get(`${url}${config}?a=1&b=%20`)
        yield* TestClock.adjust("90 seconds")
        yield* post(`${url}/oidc/v1/token`, form({ grant_type: "client_credentials" }), {
          ...formHeaders,
          ...basic("sp", "s3cret")
        })
        const [first, second] = yield* requests.all()
        assert.deepInclude(first, { method: "GET", path: config, query: "a=1&b=%20", body: "", time: 0 })
        assert.deepInclude(second, {
          method: "POST",
          path: "/oidc/v1/token",
          query: "",
          body: "grant_type=client_credentials",
          time: 90_000
        })
        assert.strictEqual(second?.headers["authorization"], basic("sp", "s3cret").authorization)
      })
    )
  )

  it.effect("is searched by method and path pattern", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ requests, url }) {
        yield* get(`${url}${config}`)
        yield* get(`${url}/api/x`)
        yield* post(`${url}/api/x`, {})
        assert.strictEqual(yield* requests.count(), 3)
        assert.strictEqual(yield* requests.count({ path: "/api/*" }), 2)
        assert.strictEqual(yield* requests.count({ path: "/api/*", method: "post" }), 1)
        yield* requests.clear
        assert.deepStrictEqual(yield* requests.all(), [])
      })
    )
  )

  it.effect("keeps the newest so many", () =>
    withWorkspace(
      { recordedRequests: 2 },
      Effect.fnUntraced(function* ({ requests, url }) {
        for (const path of ["/a", "/b", "/c"]) yield* get(`${url}${path}`)
        assert.deepStrictEqual(
          (yield* requests.all()).map(({ path }) => path),
          ["/b", "/c"]
        )
      })
    )
  )

  it.effect("can be waited for", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ requests, url }) {
        const waiting = yield* Effect.forkChild(requests.waitFor({ path: "/b" }, 2), { startImmediately: true })
        for (const path of ["/a", "/b", "/c"]) yield* get(`${url}${path}`)
        assert.isUndefined(waiting.pollUnsafe())
        yield* get(`${url}/b`)
        assert.deepStrictEqual(
          (yield* Fiber.join(waiting)).map(({ path }) => path),
          ["/b", "/b"]
        )
        // What is there already is not waited for.
        assert.strictEqual((yield* requests.waitFor({ path: "/c" })).length, 1)
      })
    )
  )

  it.effect("leaves out the emulator's own routes", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ requests, url }) {
        yield* get(`${url}/_emulator/requests`)
        yield* get(`${url}/_emulatory`)
        assert.deepStrictEqual(
          (yield* requests.all()).map(({ path }) => path),
          ["/_emulatory"]
        )
      })
    )
  )

  it.effect("refuses a body beyond ten megabytes", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ requests, url }) {
        assert.strictEqual((yield* post(`${url}/api/x`, "x".repeat(10_000_001))).status, 413)
        assert.strictEqual((yield* post(`${url}/api/x`, "x".repeat(10_000_000))).status, 404)
        assert.strictEqual(yield* requests.count(), 1)
      })
    )
  )

  it.effect("is not logged, nor is anything else", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ url }) {
        yield* get(`${url}/api/x`)
        yield* post(`${url}/oidc/v1/token`, "nonsense")
        assert.deepStrictEqual([...(yield* TestConsole.logLines), ...(yield* TestConsole.errorLines)], [])
      })
    )
  )
})
