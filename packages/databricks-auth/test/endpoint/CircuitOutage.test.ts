/** What an endpoint that is down for a minute is sent by many clients that ask each second. */
import { TokenEndpoint, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { answer, makeHttp } from "../support/http.ts"

const instance = WorkspaceHost.WorkspaceHost.make("dbc-a1b2.cloud.databricks.com")

describe("an endpoint that is down", () => {
  it.effect("and asks for a minute is sent three requests in that minute, by sixty clients that ask each second", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(answer(503, "", { "retry-after": "60" }))
      const clients = Array.from({ length: 60 }, (_, index) => `client-${index}`)
      yield* Effect.gen(function* () {
        const { clientCredentials } = yield* TokenEndpoint.TokenEndpoint
        for (let second = 0; second < 60; second++) {
          for (const clientId of clients) {
            const clientSecret = Redacted.make("hunter22")
            const error = yield* Effect.flip(clientCredentials({ instance, clientId, clientSecret, source: "s" }))
            assert.strictEqual(error.reason._tag, "TokenEndpointUnavailable")
          }
          yield* TestClock.adjust("1 second")
        }
      }).pipe(Effect.provide(TokenEndpoint.layer), Effect.provide(layer))
      assert.lengthOf(yield* sent, 3)
    })
  )
})
