/**
 * What is said of spans beyond `Effect.fn`. Nothing of it costs where nobody traces.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"

type AnyFiber = Fiber.Fiber<unknown, unknown>

const isTraced = ({ cache: { tracer, tracerEnabled } }: AnyFiber): boolean =>
  tracerEnabled && tracer !== undefined && tracer !== Tracer.nativeTracer

/** Whether a tracer was given that is not Effect's own, which keeps spans to itself. */
export const areWanted: Effect.Effect<boolean> = Effect.withFiberSucceed(isTraced)

/** Puts a span around this, where spans are wanted. */
export const span =
  (name: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiber((fiber) => (isTraced(fiber) ? Effect.withSpan(effect, name) : effect))

/** The server that a request goes to, as OpenTelemetry's conventions say it. */
export const server = ({ hostname, port, protocol }: URL) => ({
  "server.address": hostname,
  "server.port": port === "" ? (protocol === "http:" ? 80 : 443) : Number(port)
})

/** The span that is under way, if it is one that somebody will see. */
const current = ({ cache: { span } }: AnyFiber): Tracer.Span | undefined =>
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
