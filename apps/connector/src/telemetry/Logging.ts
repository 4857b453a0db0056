/**
 * How the connector logs: for people on a terminal, as JSON otherwise.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as SettingValue from "../SettingValue.ts"
import * as Sparing from "./Sparing.ts"

/** How lines are written. */
export const format = SettingValue.setting(
  "FLYTE_DATABRICKS_LOG_FORMAT",
  SettingValue.word("auto", "pretty", "json"),
  "auto"
)

/** Which lines are written. */
export const level = SettingValue.setting(
  "FLYTE_DATABRICKS_LOG_LEVEL",
  SettingValue.word("trace", "debug", "info", "warn", "error"),
  "info"
)

const levels = { trace: "Trace", debug: "Debug", info: "Info", warn: "Warn", error: "Error" } as const

/**
 * A line of JSON, with the trace that it belongs to where there is one. What is plain is written by the runtime's own writer;
 * values that may hide secrets or themselves go through Effect's, which looks at each and takes ten times as long.
 */
export const line: Logger.Logger<unknown, string> = Logger.make((options) => {
  const record = Logger.formatStructured.log(options)
  const span = Context.getOption(options.fiber.context, Tracer.ParentSpan)
  const traced = Option.match(span, {
    onNone: () => record,
    onSome: ({ spanId, traceId }) => ({ ...record, traceId, spanId })
  })
  return isPlain(record.message) && Object.values(record.annotations).every(isPlain)
    ? JSON.stringify(traced)
    : Formatter.formatJson(traced)
})

const isPlain = (value: unknown): boolean => typeof value === "string" || typeof value === "number"

/**
 * Writes lines of JSON, those of one turn of the event loop together: they are looked at for secrets together too. However
 * the process ends, as far as it is told, none is left.
 */
const json = Effect.gen(function* (): Effect.fn.Return<Logger.Logger<unknown, void>, never, Scope.Scope> {
  let lines: Array<string> = []
  const flush = (): void => {
    const text = lines.join("")
    lines = []
    if (text !== "") process.stderr.write(text)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("exit", flush)),
    () => Effect.sync(() => (flush(), process.off("exit", flush)))
  )
  return Logger.map(line, (text) => {
    // oxlint-disable-next-line no-restricted-globals -- a logger runs outside of fibers
    if (lines.length === 0) setImmediate(flush)
    lines.push(`${text}\n`)
  })
})

/**
 * One line a record. Logs go to standard error, so that standard output is left to what a command answers.
 */
export const layer: Layer.Layer<never, Config.ConfigError> = Layer.unwrap(
  Effect.map(Config.all({ format, level }), ({ format: chosen, level: least }) => {
    const pretty = chosen === "pretty" || (chosen === "auto" && process.stderr.isTTY)
    return Layer.mergeAll(
      Logger.layer([
        Effect.flatMap(pretty ? Effect.succeed(Logger.consolePretty({ mode: "tty" })) : json, Sparing.make)
      ]),
      Layer.succeed(References.MinimumLogLevel, levels[least]),
      Layer.succeed(Logger.LogToStderr, true)
    )
  })
)
