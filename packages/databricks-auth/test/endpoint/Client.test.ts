import { TokenEndpoint, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Cause, Duration, Effect, Exit, Fiber, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { allowList } from "../support/hosts.ts"
import { answer, makeHttp, silence } from "../support/http.ts"
import { ask, request } from "./Ask.ts"

describe("a caller that goes away", () => {
  it.effect("takes the request with it", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(silence)
      const fiber = yield* ask().pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide(layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.isTrue((yield* sent)[0]!.signal.aborted)
    })
  )

  it.effect("between two tries is not followed by another", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(answer(503))
      const fiber = yield* ask().pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide(layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      assert.lengthOf(yield* sent, 1)
    })
  )
})

describe("a client that follows redirects by itself", () => {
  it.effect("is told not to: credentials go to the endpoint that was named", () =>
    Effect.gen(function* () {
      const asked: Array<RequestInit | undefined> = []
      const fetch: typeof globalThis.fetch = (_, init) => {
        asked.push(init)
        return Promise.resolve(new Response(null, { status: 307, headers: { location: "https://evil.com" } }))
      }
      const error = yield* ask().pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide(FetchHttpClient.layer),
        Effect.provideService(FetchHttpClient.Fetch, fetch),
        Effect.provideServiceEffect(WorkspaceHost.AllowedInstances, allowList([request.instance])),
        Effect.flip
      )
      assert.include(error.message, "redirect")
      assert.deepStrictEqual(
        asked.map((init) => init?.redirect),
        ["manual"]
      )
    })
  )
})

describe("the endpoint in memory", () => {
  it.effect("answers by the request and its number, and keeps what it was asked", () =>
    Effect.gen(function* () {
      yield* ask()
      assertEquals((yield* ask({ ...request, clientId: "app-2" })).value, Redacted.make("app-2 2"))
      const { requests } = yield* TokenEndpoint.TokenEndpointMemory
      assert.deepStrictEqual(
        (yield* requests).map(({ clientId }) => clientId),
        ["app-1", "app-2"]
      )
    }).pipe(
      Effect.provide(
        TokenEndpoint.layerMemory((asked, count) =>
          Effect.succeed({
            value: Redacted.make(`${asked.clientId} ${count}`),
            lifetime: Duration.hours(1),
            builtFrom: TokenEndpoint.secretOf(asked)
          })
        )
      )
    )
  )
})
