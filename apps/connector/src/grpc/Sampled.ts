/**
 * Log lines about what costs strangers nothing: some each second, so that they fill no disk, and how many were left out.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

const linesPerSecond = 20

/** Makes a log on the given services (loggers, clock). */
export const make = (services: Context.Context<never>): ((line: Effect.Effect<void>) => void) => {
  const clock = Context.get(services, Clock.Clock)
  let second = 0
  let lines = 0
  let leftOut = 0
  return (line) => {
    const now = Math.floor(clock.currentTimeMillisUnsafe() / 1000)
    if (now !== second) {
      second = now
      lines = 0
    }
    lines += 1
    if (lines > linesPerSecond) {
      leftOut += 1
      return
    }
    const alike = leftOut === 0 ? {} : { leftOut: `${leftOut} lines like it before` }
    leftOut = 0
    Effect.runForkWith(services)(Effect.annotateLogs(line, alike))
  }
}
