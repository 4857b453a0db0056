/** Metrics that differ in their labels alone, as a scraper sees them. */
import * as MetricFamily from "@flyte-databricks/databricks-auth/telemetry/MetricFamily"
import { describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import { Effect, Exit, Metric, Scope } from "effect"

/** All that a scraper sees once this was done, and nothing of others. */
const seen = (effect: Effect.Effect<unknown, never, Scope.Scope>) =>
  Effect.gen(function* () {
    yield* effect
    return yield* Metric.snapshot
  }).pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))

describe("a family", () => {
  it("has one metric for equal labels, since to make it costs more than to update it", () => {
    const family = MetricFamily.counters<"a" | "b">("requests", "Requests")
    assertEquals(family({ a: "x", b: "y" }) === family({ a: "x", b: "y" }), true)
  })

  it("has another one where the labels are others, also where together they are the same text", () => {
    const family = MetricFamily.counters<"a" | "b">("requests", "Requests")
    deepStrictEqual(family({ a: "x", b: "yz" }).attributes, { a: "x", b: "yz" })
    deepStrictEqual(family({ a: "xy", b: "z" }).attributes, { a: "xy", b: "z" })
  })
})

describe("a counter", () => {
  const counter = MetricFamily.counters<"result">("requests", "Requests by result")({ result: "ok" })

  it.effect("shows with its name, description and labels, and only grows", () =>
    Effect.gen(function* () {
      const [only, ...more] = yield* seen(Effect.forEach([2, 3, -1], (by) => Metric.update(counter, by)))
      deepStrictEqual(more, [])
      deepStrictEqual(only, {
        id: "requests",
        type: "Counter",
        description: "Requests by result",
        attributes: { result: "ok" },
        state: { count: 5, incremental: true }
      })
    })
  )

  it.effect("shows from the start where it is told to", () =>
    Effect.gen(function* () {
      const all = yield* seen(MetricFamily.zero(counter))
      deepStrictEqual(
        all.map(({ state }) => state),
        [{ count: 0, incremental: true }]
      )
    })
  )
})

describe("a histogram", () => {
  it.effect("has its buckets, its labels, and those that all of its family have", () =>
    Effect.gen(function* () {
      const family = MetricFamily.histograms<"verb">("duration", "Time", [1, 10], { version: "2" })
      const [only] = yield* seen(Metric.update(family({ verb: "get" }), 4))
      deepStrictEqual(only, {
        id: "duration",
        type: "Histogram",
        description: "Time",
        attributes: { verb: "get", version: "2" },
        state: {
          buckets: [
            [1, 0],
            [10, 1]
          ],
          count: 1,
          min: 4,
          max: 4,
          sum: 4
        }
      })
    })
  )

  it("has its own labels alone where the family says nothing", () => {
    const family = MetricFamily.histograms<"verb">("duration", "Time", [1])
    deepStrictEqual(family({ verb: "get" }).attributes, { verb: "get" })
  })

  it("of calls has the buckets of OpenTelemetry's http.server.request.duration", () => {
    deepStrictEqual(MetricFamily.seconds, [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10])
  })
})

describe("a sum", () => {
  it.effect("is a summary without quantiles", () =>
    Effect.gen(function* () {
      const family = MetricFamily.sums<"operation">("size", "Size")
      const sum = family({ operation: "create" })
      const [only] = yield* seen(Effect.forEach([4, 6], (size) => Metric.update(sum, size)))
      deepStrictEqual(only, {
        id: "size",
        type: "Summary",
        description: "Size",
        attributes: { operation: "create" },
        state: { quantiles: [], count: 2, min: 4, max: 6, sum: 10 }
      })
    })
  )
})

describe.each([
  ["gauge", "Gauge", MetricFamily.observed, (value: number) => ({ value })],
  ["counter", "Counter", MetricFamily.counted, (count: number) => ({ count, incremental: true })]
] as const)("a %s that is read when it is looked at", (_, type, shown, stateOf) => {
  it.effect("shows what there is at that moment, until its scope is closed", () =>
    Effect.gen(function* () {
      let value = 1
      const scope = yield* Scope.make()
      yield* shown("entries", "Entries", { kind: "fresh" }, () => value).pipe(Scope.provide(scope))
      value = 7
      deepStrictEqual<unknown>(yield* Metric.snapshot, [
        { id: "entries", type, description: "Entries", attributes: { kind: "fresh" }, state: stateOf(7) }
      ])
      value = 8
      deepStrictEqual((yield* Metric.snapshot)[0]?.state, stateOf(8))
      yield* Scope.close(scope, Exit.void)
      deepStrictEqual(yield* Metric.snapshot, [])
    }).pipe((effect) => Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map())))
  )
})
