/**
 * What is said of spans beyond `Effect.fn`. Nothing of it costs where nobody traces.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"

/** Whether a tracer was given that is not Effect's own, which keeps spans to itself. */
export const areWanted: Effect.Effect<boolean> = Effect.map(
  Effect.all([Tracer.Tracer, References.TracerEnabled]),
  ([tracer, isEnabled]) => isEnabled && tracer !== Tracer.nativeTracer
)

/** The server that a request goes to, as OpenTelemetry's conventions say it. */
export const server = ({ hostname, port, protocol }: URL) => ({
  "server.address": hostname,
  "server.port": port === "" ? (protocol === "http:" ? 80 : 443) : Number(port)
})

/** The span that is under way, if it is one that somebody will see. */
const current = ({ cache: { span } }: Fiber.Fiber<unknown, unknown>): Tracer.Span | undefined =>
  span?._tag === "Span" && span.sampled ? span : undefined

/** Adds an event to the span that is under way. */
export const event = (name: string, attributes: Readonly<Record<string, string>>): Effect.Effect<void> =>
  Effect.withFiberSucceed((fiber) =>
    current(fiber)?.event(name, fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(), attributes)
  )

/** The span that is under way as a link of one that it began, and that outlives it. */
export const linkToCurrent: Effect.Effect<ReadonlyArray<Tracer.SpanLink>> = Effect.withFiberSucceed((fiber) => {
  const span = current(fiber)
  return span === undefined ? [] : [{ span, attributes: {} }]
})
