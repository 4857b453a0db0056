/**
 * How the connector logs: for people on a terminal, as JSON otherwise.
 */
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as SettingValue from "../SettingValue.ts"

/** How lines are written. */
export const format = SettingValue.setting(
  "FLYTE_DATABRICKS_LOG_FORMAT",
  SettingValue.word("auto", "pretty", "json"),
  "auto"
)

// Effect's own `consoleJson` writes to standard output whatever `LogToStderr` says.
const json = Logger.withConsoleError(Logger.formatJson)

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
