/**
 * Everything that somebody may see of a value, for tests that look for secrets in it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"

/** Everything that logging, a debugger or a crash dump makes of a value. */
export const value = (given: unknown): ReadonlyArray<string> => {
  const texts = [
    String(given),
    inspect(given, { depth: null, showHidden: true, getters: true }),
    inspect(given),
    json(given)
  ]
  return Predicate.isError(given) ? [...texts, given.message, given.stack ?? "", ...value(given.cause)] : texts
}

const json = (given: unknown): string => {
  const seen = new Set<unknown>()
  return (
    JSON.stringify(given, (_, inner: unknown) => {
      if (typeof inner === "bigint") return String(inner)
      if (typeof inner !== "object" || inner === null) return inner
      if (seen.has(inner)) return "(seen)"
      seen.add(inner)
      return inner instanceof Map || inner instanceof Set ? [...inner] : inner
    }) ?? ""
  )
}

/** The same of how something ended. */
export const exit = (ended: Exit.Exit<unknown, unknown>): ReadonlyArray<string> =>
  Exit.isSuccess(ended)
    ? [...value(ended), ...value(ended.value)]
    : [
        ...value(ended),
        Cause.pretty(ended.cause),
        ...value(Cause.squash(ended.cause)),
        ...ended.cause.reasons.flatMap((reason) => (reason._tag === "Fail" ? value(reason.error) : value(reason)))
      ]

/** A tracer that keeps all spans. */
export const makeSpans = Effect.sync(() => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = Tracer.nativeTracer.span(options)
      spans.push(span)
      return span
    }
  })
  return { tracer, spans: Effect.sync(() => spans.map((span) => ({ ...span, attributes: [...span.attributes] }))) }
})
