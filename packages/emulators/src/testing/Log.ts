/** A log, as the lines of JSON that a process would write. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Schema from "effect/Schema"

const Line = Schema.fromJsonString(
  Schema.Struct({
    message: Schema.Union([Schema.String, Schema.Array(Schema.Unknown)]),
    level: Schema.String,
    annotations: Schema.Record(Schema.String, Schema.Unknown)
  })
)

export type Line = typeof Line.Type

/** A line of the log, read. */
export const read = Schema.decodeUnknownSync(Line)

/** Has polls that are fine among the lines. */
export const everyLine = Layer.succeed(References.MinimumLogLevel, "Debug")

/** Keeps every line; `waitFor` gives the first that is as asked for, as soon as it is there. */
export const make = () => {
  const texts: Array<string> = []
  const waiters = new Set<(line: Line) => void>()
  const lines = () => texts.map((text) => read(text))
  return {
    texts,
    lines,
    /** The lines that were written at the end of calls. */
    calls: () => lines().filter(({ annotations }) => "outcome" in annotations),
    logger: Logger.map(Logger.formatJson, (text) => {
      texts.push(text)
      waiters.forEach((told) => told(read(text)))
    }),
    waitFor: (wanted: (line: Line) => boolean) =>
      Effect.callback<Line>((resume) => {
        const told = (line: Line) => {
          if (wanted(line)) resume(Effect.succeed(line))
        }
        waiters.add(told)
        lines().forEach(told)
        return Effect.sync(() => waiters.delete(told))
      })
  }
}

export type Log = ReturnType<typeof make>
