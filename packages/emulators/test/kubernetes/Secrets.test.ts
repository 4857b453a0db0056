import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Fault } from "../../src/index.ts"
import { bearer, get } from "../support/http.ts"
import { read, withApi } from "../support/kubernetes.ts"

const secrets = [{ namespace: "team-a", name: "databricks-token", data: { token: "dapi-é" } }]

describe("a Secret", () => {
  it.effect("comes as the API server gives it, its values in base64", () =>
    withApi(
      { secrets: [{ ...secrets[0]!, labels: { team: "a" } }] },
      Effect.fnUntraced(function* (api) {
        const { json, status } = yield* read(api, "team-a", "databricks-token")
        assert.strictEqual(status, 200)
        const { resourceVersion, uid, ...metadata } = json.metadata
        assert.match(uid, /^[0-9a-f-]{36}$/)
        assert.match(resourceVersion, /^\d+$/)
        assert.deepStrictEqual(
          { ...json, metadata },
          {
            kind: "Secret",
            apiVersion: "v1",
            metadata: {
              name: "databricks-token",
              namespace: "team-a",
              creationTimestamp: "1970-01-01T00:00:00Z",
              labels: { team: "a" }
            },
            data: { token: Buffer.from("dapi-é").toString("base64") },
            type: "Opaque"
          }
        )
      })
    )
  )

  it.effect("can be replaced, emptied and deleted", () =>
    withApi(
      { secrets },
      Effect.fnUntraced(function* (api) {
        const data = Effect.map(read(api, "team-a", "databricks-token"), ({ json, status }) => [status, json.data])
        yield* api.setSecret({
          namespace: "team-a",
          name: "databricks-token",
          data: { text: "t", secret: Redacted.make("r"), bytes: Uint8Array.of(0, 255) }
        })
        assert.deepStrictEqual(yield* data, [200, { text: btoa("t"), secret: btoa("r"), bytes: "AP8=" }])
        yield* api.setSecret({ namespace: "team-a", name: "databricks-token", data: {} })
        assert.deepStrictEqual(yield* data, [200, undefined])
        assert.isTrue(yield* api.deleteSecret({ namespace: "team-a", name: "databricks-token" }))
        assert.isFalse(yield* api.deleteSecret({ namespace: "team-a", name: "databricks-token" }))
        assert.strictEqual((yield* data)[0], 404)
      })
    )
  )

  it.effect("that is not there is a NotFound Status, in its own namespace alone", () =>
    withApi(
      { secrets },
      Effect.fnUntraced(function* (api) {
        const { json, status } = yield* read(api, "team-b", "databricks-token")
        assert.strictEqual(status, 404)
        assert.deepStrictEqual(json, {
          kind: "Status",
          apiVersion: "v1",
          metadata: {},
          status: "Failure",
          message: 'secrets "databricks-token" not found',
          reason: "NotFound",
          details: { name: "databricks-token", kind: "secrets" },
          code: 404
        })
      })
    )
  )

  it.effect("may have the longest name there is", () => {
    const name = "s".repeat(253)
    return withApi(
      { secrets: [{ namespace: "n".repeat(63), name, data: { k: "v" } }] },
      Effect.fnUntraced(function* (api) {
        assert.strictEqual((yield* read(api, "n".repeat(63), name)).status, 200)
      })
    )
  })
})

describe("the rest of the API", () => {
  it.effect("is not there", () =>
    withApi(
      {},
      Effect.fnUntraced(function* (api) {
        const { json, status } = yield* get(`${api.url}/api/v1/pods`, bearer(api.token))
        assert.deepStrictEqual([status, json.reason], [404, "NotFound"])
      })
    )
  )

  it.effect("fails in the API server's words where a fault says so", () =>
    withApi(
      { secrets, faults: [{ path: "/api/*", action: Fault.status(429, { headers: { "retry-after": "1" } }) }] },
      Effect.fnUntraced(function* (api) {
        const { headers, json, status } = yield* read(api, "team-a", "databricks-token")
        assert.deepStrictEqual(
          [status, headers["retry-after"], json.kind, json.reason],
          [429, "1", "Status", "TooManyRequests"]
        )
      })
    )
  )
})
