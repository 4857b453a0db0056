/**
 * How the connector logs: for people on a terminal, as JSON otherwise.
 */
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as SettingValue from "../SettingValue.ts"

/** How lines are written. */
export const format = SettingValue.setting(
  "FLYTE_DATABRICKS_LOG_FORMAT",
  SettingValue.word("auto", "pretty", "json"),
  "auto"
)

/**
 * A record as a line of JSON. What is plain is written by the runtime's own writer; values that may hide secrets or themselves
 * go through Effect's, which looks at each and takes ten times as long.
 */
const line = Logger.map(Logger.formatStructured, (record) =>
  isPlain(record.message) && Object.values(record.annotations).every(isPlain)
    ? JSON.stringify(record)
    : Formatter.formatJson(record)
)

const isPlain = (value: unknown): boolean => typeof value === "string" || typeof value === "number"

// Lines of one turn of the event loop, which are written and looked at for secrets together.
let lines: Array<string> = []

const flush = (): void => {
  const text = lines.join("")
  lines = []
  if (text !== "") process.stderr.write(text)
}

// However the process ends, as far as it is told.
process.on("exit", flush)

const json = Logger.map(line, (text) => {
  if (lines.length === 0) setImmediate(flush)
  lines.push(`${text}\n`)
})

/**
 * One line a record. Logs go to standard error, so that standard output is left to what a command answers.
 */
export const layer: Layer.Layer<never, Config.ConfigError> = Layer.unwrap(
  Effect.map(format, (chosen) => {
    const pretty = chosen === "pretty" || (chosen === "auto" && process.stderr.isTTY)
    return Layer.merge(
      Logger.layer([pretty ? Logger.consolePretty({ mode: "tty" }) : json]),
      Layer.succeed(Logger.LogToStderr, true)
    )
  })
)
