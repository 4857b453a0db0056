import { Effect, Layer, Logger, References } from "effect"

/** Collects every log line, of every level, as JSON. */
export const makeLogs = Effect.sync(() => {
  const lines: Array<{ readonly level: string; readonly text: string }> = []
  const capture = Logger.make<unknown, void>((options) => {
    lines.push({ level: options.logLevel, text: Logger.formatJson.log(options) })
  })
  return {
    layer: Layer.merge(Logger.layer([capture]), Layer.succeed(References.MinimumLogLevel, "All")),
    lines: Effect.sync(() => [...lines])
  }
})
