import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Validator } from "@seriousme/openapi-schema-validator"
import { Effect, Schema } from "effect"
import { send, serving } from "./support/http.ts"

const Document = Schema.Struct({
  openapi: Schema.String,
  paths: Schema.Record(
    Schema.String,
    Schema.Record(
      Schema.String,
      Schema.Struct({
        responses: Schema.Record(
          Schema.String,
          Schema.Struct({ content: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)) })
        ),
        security: Schema.optional(Schema.Array(Schema.Record(Schema.String, Schema.Unknown)))
      })
    )
  )
})

const document = Effect.flatMap(send("GET", "/api/openapi.json"), ({ text }) =>
  Schema.decodeEffect(Schema.fromJsonString(Document))(text)
)

describe("the OpenAPI document", () => {
  it.effect("is valid", () =>
    Effect.gen(function* () {
      const { text } = yield* send("GET", "/api/openapi.json")
      const { valid, errors } = yield* Effect.promise(() => new Validator().validate(JSON.parse(text)))
      assertEquals([valid, errors], [true, undefined])
      assertEquals(JSON.parse(text).openapi, "3.1.0")
    }).pipe(Effect.provide(serving(), { local: true }))
  )

  it.effect("has the routes that there are, and no others", () =>
    Effect.gen(function* () {
      const { paths } = yield* document
      const operations = Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
      )
      assertEquals(operations.toSorted(), [
        "DELETE /api/runs/{id}",
        "GET /api/explanation",
        "GET /api/health",
        "GET /api/identity",
        "GET /api/platform",
        "GET /api/runs/{id}",
        "GET /api/tokens",
        "POST /api/runs"
      ])
    }).pipe(Effect.provide(serving(), { local: true }))
  )

  it.effect("documents every answer that is given", () =>
    Effect.gen(function* () {
      const { paths } = yield* document
      const asked = [
        ["GET", "/api/health", "/api/health", undefined, 200],
        ["GET", "/api/platform", "/api/platform", undefined, 200],
        ["GET", "/api/tokens", "/api/tokens", undefined, 200],
        ["GET", "/api/identity", "/api/identity?namespace=search", undefined, 200],
        ["GET", "/api/identity", "/api/identity", undefined, 400],
        ["GET", "/api/identity", "/api/identity?namespace=growth", undefined, 409],
        ["GET", "/api/explanation", "/api/explanation?namespace=growth&proof=yes", undefined, 200],
        ["GET", "/api/explanation", "/api/explanation?namespace=search&authType=saml", undefined, 400],
        ["POST", "/api/runs", "/api/runs", { namespace: "search" }, 201],
        ["POST", "/api/runs", "/api/runs", { namespace: 1 }, 400],
        ["POST", "/api/runs", "/api/runs", { namespace: "growth" }, 409],
        ["GET", "/api/runs/{id}", "/api/runs/7", undefined, 404],
        ["GET", "/api/runs/{id}", "/api/runs/no-id", undefined, 400],
        ["DELETE", "/api/runs/{id}", "/api/runs/7", undefined, 404]
      ] as const
      for (const [method, path, url, body, status] of asked) {
        const answer = yield* send(
          method,
          url,
          body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
        )
        assertEquals([method, url, answer.status], [method, url, status])
        const documented = paths[path]?.[method.toLowerCase()]?.responses[String(status)]
        assert(documented !== undefined, `${method} ${path} does not document ${status}`)
        assert.include(Object.keys(documented.content ?? {}), answer.type)
      }
    }).pipe(Effect.provide(serving(), { local: true }))
  )

  it.effect("says what wants the access token", () =>
    Effect.gen(function* () {
      const { paths } = yield* document
      const open = Object.entries(paths).flatMap(([path, methods]) =>
        Object.values(methods).some(({ security = [] }) => security.length === 0) ? [path] : []
      )
      assertEquals(open, ["/api/health"])
    }).pipe(Effect.provide(serving(), { local: true }))
  )
})
