import { assert } from "@effect/vitest"
import { Arbitrary, Cause, Effect, Exit, Schema, Tracer } from "effect"
import { inspect } from "node:util"

/** What every secret begins with, so that also a part of one is noticed. */
const marker = "S3cr3tM4rk3r"

/** Secrets of any content, with no blanks around them, since those are trimmed. */
export const secrets: Arbitrary.Arbitrary<string> = Arbitrary.map(Arbitrary.schema(Schema.String), (rest) =>
  `${marker}${rest}`.trim()
)

const base64 = (text: string) => Buffer.from(text).toString("base64")

// Base64 of the marker at each of its three alignments, without the characters that its neighbours decide.
const alignments = ["", "x", "xx"].map((before) => base64(`${before}${marker}`).slice(before === "" ? 0 : 4, -4))

/** No text has a secret in it, nor a part of one, plain, form-encoded or as Base64. */
export const assertNoSecret = (where: string, ...texts: ReadonlyArray<string>): void => {
  for (const text of texts) {
    for (const trace of [marker, encodeURIComponent(marker), ...alignments]) {
      if (text.includes(trace))
        assert.fail(`${where}: ${text.slice(Math.max(0, text.indexOf(trace) - 200), text.indexOf(trace) + 100)}`)
    }
  }
}

/** Everything that logging, a debugger or a crash dump makes of a value. */
export const shownAs = (value: unknown): ReadonlyArray<string> => {
  const texts = [
    String(value),
    inspect(value, { depth: null, showHidden: true, getters: true }),
    inspect(value),
    json(value)
  ]
  return value instanceof Error ? [...texts, value.message, value.stack ?? "", ...shownAs(value.cause)] : texts
}

const json = (value: unknown): string => {
  const seen = new Set<unknown>()
  return (
    JSON.stringify(value, (_, inner: unknown) => {
      if (typeof inner === "bigint") return String(inner)
      if (typeof inner !== "object" || inner === null) return inner
      if (seen.has(inner)) return "(seen)"
      seen.add(inner)
      return inner instanceof Map || inner instanceof Set ? [...inner] : inner
    }) ?? ""
  )
}

/** The ways to see how something ended. */
export const outcomeShownAs = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<string> =>
  Exit.isSuccess(exit)
    ? [...shownAs(exit), ...shownAs(exit.value)]
    : [
        ...shownAs(exit),
        Cause.pretty(exit.cause),
        ...shownAs(Cause.squash(exit.cause)),
        ...exit.cause.reasons.flatMap((reason) => (reason._tag === "Fail" ? shownAs(reason.error) : shownAs(reason)))
      ]

/** Collects all spans. */
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
