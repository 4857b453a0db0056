/** What is said of spans to a tracer, and that nothing is said where nobody traces. */
import * as Spans from "@flyte-databricks/databricks-auth/telemetry/Spans"
import { describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import { Effect, Option, References, Tracer } from "effect"
import { TestClock } from "effect/testing"

const tracer = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })

/** What this says to the span around it, of which there is this sample or none. */
const saidTo = <A>(effect: Effect.Effect<A>, sampled = true) =>
  Effect.gen(function* () {
    const result = yield* effect
    const span = yield* Effect.orDie(Effect.currentSpan)
    return { result, span: span as Tracer.NativeSpan }
  }).pipe(Effect.withSpan("around", { sampled }), Effect.provideService(Tracer.Tracer, tracer))

describe("spans are wanted", () => {
  it.effect("where a tracer was given, as long as it is not turned off", () =>
    Effect.gen(function* () {
      const areWanted = Effect.provideService(Spans.areWanted, Tracer.Tracer, tracer)
      assertEquals(yield* areWanted, true)
      assertEquals(yield* Effect.provideService(areWanted, References.TracerEnabled, false), false)
    })
  )

  it.effect("by nobody where there is Effect's own tracer alone", () =>
    Effect.gen(function* () {
      assertEquals(yield* Effect.provideService(Spans.areWanted, Tracer.Tracer, Tracer.nativeTracer), false)
    })
  )
})

describe("a span", () => {
  const inside = Spans.span("inside")(Effect.orDie(Effect.currentSpan))

  it.effect("is put around what it is of, where somebody traces", () =>
    Effect.gen(function* () {
      const { result, span } = yield* saidTo(inside)
      deepStrictEqual([result.name, result.status._tag], ["inside", "Ended"])
      assertEquals(
        Option.map(result.parent, ({ spanId }) => spanId),
        Option.some(span.spanId)
      )
    })
  )

  it.effect("is none where nobody traces", () =>
    Effect.gen(function* () {
      assertEquals((yield* Effect.withSpan(inside, "around")).name, "around")
    })
  )
})

describe("the server of a request", () => {
  it.each([
    ["https://a.example/x?y", "a.example", 443],
    ["http://a.example/x", "a.example", 80],
    ["https://a.example:8443", "a.example", 8443],
    ["http://[::1]:8080", "[::1]", 8080]
  ])("is its address and its port: %s", (url, address, port) => {
    deepStrictEqual(Spans.server(new URL(url)), { "server.address": address, "server.port": port })
  })
})

describe("an event", () => {
  const event = Spans.event("place", { outcome: "absent" })

  it.effect("is added to the span that is under way, with its moment", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("3 seconds")
      deepStrictEqual((yield* saidTo(event)).span.events, [["place", 3_000_000_000n, { outcome: "absent" }]])
    })
  )

  it.effect("is added to none that is not sampled, and is no fault without one", () =>
    Effect.gen(function* () {
      deepStrictEqual((yield* saidTo(event, false)).span.events, [])
      yield* event
    })
  )
})

describe("a link to the span that is under way", () => {
  it.effect("is there where that span is sampled", () =>
    Effect.gen(function* () {
      const { result, span } = yield* saidTo(Spans.linkToCurrent)
      deepStrictEqual(result, [{ span, attributes: {} }])
    })
  )

  it.effect("is none where that span is not sampled, or where there is none", () =>
    Effect.gen(function* () {
      deepStrictEqual((yield* saidTo(Spans.linkToCurrent, false)).result, [])
      deepStrictEqual(yield* Spans.linkToCurrent, [])
    })
  )
})
