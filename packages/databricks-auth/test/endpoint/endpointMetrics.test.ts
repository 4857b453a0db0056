/** What token endpoints show of themselves: what came of requests, and which circuits are open. */
import { AuthError } from "@flyte-databricks/databricks-auth"
import * as endpointMetrics from "@flyte-databricks/databricks-auth/endpoint/endpointMetrics"
import { describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import { Duration, Effect, Fiber, Metric, type Scope } from "effect"
import type { CircuitBreaker } from "effect/persistence"
import { TestClock } from "effect/testing"
import { host } from "../support/tokens.ts"

/** Metrics of nobody else. */
const alone = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

const failing = (reason: AuthError.Reason) => Effect.fail(new AuthError.AuthError({ reason }))

const refusal = { endpoint: "e", clientId: "c", source: "s", status: 401, error: "x" }
const unavailable = { endpoint: "e", detail: "status 503", attempts: 1 }

describe("a request for a token", () => {
  const counted = Effect.map(Metric.snapshot, (all) =>
    Object.fromEntries(
      all.flatMap(({ attributes, id, state }) =>
        id === "flyte_databricks_token_requests_total" && "count" in state
          ? [[`${attributes?.["grant"]} ${attributes?.["result"]}`, state.count]]
          : []
      )
    )
  )
  const results = ["issued", "refused", "unavailable", "invalid", "short_circuited", "interrupted"]
  const zeros = Object.fromEntries(
    ["client_credentials", "token_exchange"].flatMap((grant) => results.map((result) => [`${grant} ${result}`, 0]))
  )

  it.effect.each([
    ["that gets one", "issued", Effect.succeed("token")],
    ["whose client is refused", "refused", failing(new AuthError.TokenRefused(refusal))],
    ["whose JWT is refused", "refused", failing(new AuthError.ExchangeRefused({ ...refusal, audiences: [] }))],
    [
      "whose workspace is refused",
      "refused",
      failing(new AuthError.InstanceRefused({ instance: host, why: "", allowed: [] }))
    ],
    ["that is not answered", "unavailable", failing(new AuthError.TokenEndpointUnavailable(unavailable))],
    [
      "that is not sent since the endpoint is down",
      "short_circuited",
      failing(new AuthError.TokenEndpointUnavailable({ ...unavailable, downSinceMillis: 0 }))
    ],
    [
      "that gets something else",
      "invalid",
      failing(new AuthError.TokenResponseInvalid({ endpoint: "e", status: 200, problem: "p" }))
    ],
    ["that breaks", "invalid", Effect.die("broken")],
    ["whose caller goes away", "interrupted", Effect.interrupt]
  ] as const)("%s counts by what came of it: %s", ([, result, request]) =>
    Effect.gen(function* () {
      yield* endpointMetrics.begin
      deepStrictEqual(yield* counted, zeros)
      yield* Effect.exit(endpointMetrics.measured("token_exchange")(request))
      deepStrictEqual(yield* counted, { ...zeros, [`token_exchange ${result}`]: 1 })
    }).pipe(alone)
  )

  it.effect("is measured in seconds, with every try", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const request = Effect.delay(Effect.succeed("token"), "1500 millis")
      const fiber = yield* Effect.forkChild(endpointMetrics.measured("client_credentials")(request))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fiber)
      const durations = (yield* Metric.snapshot).flatMap(({ attributes, id, state }) =>
        id === "flyte_databricks_token_request_duration_seconds" && "sum" in state ? [[attributes, state.sum]] : []
      )
      deepStrictEqual(durations, [[{ grant: "client_credentials" }, 1.5]])
    }).pipe(alone)
  )
})

describe("a circuit", () => {
  const name = (n: number) => `w${n}.cloud.databricks.com`
  const open = (key: string): CircuitBreaker.Transition => ({
    key,
    from: "Closed",
    to: "Open",
    retryAfter: Duration.seconds(2),
    consecutiveOpenings: 1
  })
  const closed = (key: string): CircuitBreaker.Transition => ({ key, from: "HalfOpen", to: "Closed" })
  const tried = (key: string): CircuitBreaker.Transition => ({ key, from: "Open", to: "HalfOpen" })

  const gauges = Effect.map(Metric.snapshot, (all) =>
    Object.fromEntries(
      all.map(({ attributes, state }) => [attributes?.["databricks_instance"], "value" in state && state.value])
    )
  )

  it.effect("shows that it is open, and until it is closed", () =>
    Effect.gen(function* () {
      const show = yield* endpointMetrics.showCircuits
      deepStrictEqual(yield* Metric.snapshot, [])
      yield* show(open("w"))
      deepStrictEqual(yield* Metric.snapshot, [
        {
          id: "flyte_databricks_circuit_open",
          type: "Gauge",
          description: "1 while a workspace's token endpoint counts as down",
          attributes: { databricks_instance: "w" },
          state: { value: 1 }
        }
      ])
      yield* show(tried("w"))
      deepStrictEqual(yield* gauges, { w: 1 })
      yield* show(closed("w"))
      deepStrictEqual(yield* gauges, { w: 0 })
    }).pipe(Effect.scoped, alone)
  )

  it.effect("is forgotten after ten minutes in which nobody tried, whatever becomes of others", () =>
    Effect.gen(function* () {
      const show = yield* endpointMetrics.showCircuits
      yield* show(open("w"))
      yield* TestClock.adjust("599999 millis")
      yield* show(open("v"))
      deepStrictEqual(yield* gauges, { w: 1, v: 1 })
      yield* TestClock.adjust("1 millis")
      deepStrictEqual(yield* gauges, { w: 0, v: 1 })
      yield* show(open("u"))
      deepStrictEqual(yield* gauges, { w: 0, v: 1, u: 1 })
    }).pipe(Effect.scoped, alone)
  )

  it.effect("has a gauge of its own as one of the first twenty, also when it opens again", () =>
    Effect.gen(function* () {
      const show = yield* endpointMetrics.showCircuits
      for (let n = 0; n < 20; n++) yield* show(open(name(n)))
      yield* show(tried(name(0)))
      deepStrictEqual(
        Object.keys(yield* gauges),
        Array.from({ length: 20 }, (_, n) => name(n))
      )
    }).pipe(Effect.scoped, alone)
  )

  it.effect("shows together with others where it came later, as long as one of those is open", () =>
    Effect.gen(function* () {
      const show = yield* endpointMetrics.showCircuits
      for (let n = 0; n < 22; n++) yield* show(open(name(n)))
      assertEquals((yield* gauges)["other"], 1)
      yield* show(closed(name(20)))
      assertEquals((yield* gauges)["other"], 1)
      yield* show(closed(name(21)))
      assertEquals((yield* gauges)["other"], 0)
      assertEquals((yield* gauges)[name(0)], 1)
      assertEquals(Object.keys(yield* gauges).length, 21)
    }).pipe(Effect.scoped, alone)
  )
})
