/**
 * What is said of spans beyond `Effect.fn`. Nothing of it costs where nobody traces.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
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
const current: Effect.Effect<Tracer.Span | undefined> = Effect.map(Effect.option(Effect.currentSpan), (span) =>
  Option.isSome(span) && span.value.sampled ? span.value : undefined
)

/** Adds an event to the span that is under way. */
export const event = (name: string, attributes: Readonly<Record<string, string>>): Effect.Effect<void> =>
  Effect.flatMap(current, (span) =>
    span === undefined ? Effect.void : Effect.map(Clock.currentTimeNanos, (now) => span.event(name, now, attributes))
  )

/** The span that is under way as a link of one that it began, and that outlives it. */
export const linkToCurrent: Effect.Effect<ReadonlyArray<Tracer.SpanLink>> = Effect.map(current, (span) =>
  span === undefined ? [] : [{ span, attributes: {} }]
)
