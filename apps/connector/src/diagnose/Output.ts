/**
 * How a command ends: its report on standard output, and its exit code.
 */
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { exits, type Report } from "@flyte-databricks/diagnosis/Report"
import * as Text from "./Text.ts"

/** The command is over, with another exit code than 0. What there was to say has been printed. */
export class Ended extends Data.TaggedError("Ended")<{ readonly exitCode: number }> {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

/** The command was asked for something that it cannot do. */
export const misused = (message: string): Effect.Effect<never, Ended> =>
  Effect.andThen(Console.error(message), Effect.fail(new Ended({ exitCode: exits.usage })))

export type Format = "text" | "json"

// https://no-color.org: any value that is not empty.
const noColour = Effect.orDie(
  Config.option(Config.String("NO_COLOR")).pipe(Config.map(Option.exists((value) => value !== "")))
)

/** How text looks on what standard output is. */
const style: Effect.Effect<Text.Style, never, Stdio.Stdio | Terminal.Terminal> = Effect.gen(function* () {
  if (!(yield* Stdio.Stdio.use(({ stdoutIsTerminal }) => stdoutIsTerminal))) return Text.plain
  const columns = yield* Terminal.Terminal.use((terminal) => terminal.columns)
  return { colour: !(yield* noColour), width: columns > 20 ? columns : undefined }
})

/** Prints a report and ends as it says. */
export const finish = Effect.fnUntraced(function* (report: Report, format: Format, short = false) {
  if (format === "json") yield* Console.log(JSON.stringify(report, null, 2))
  else yield* Console.log((short ? Text.renderShort : Text.render)(report, yield* style))
  if (report.exitCode !== exits.sound) yield* new Ended({ exitCode: report.exitCode })
})

/** Says on a terminal that there is something to wait for, until there is not. */
export const progress = Effect.fnUntraced(function* <A, E, R>(
  text: string,
  work: Effect.Effect<A, E, R>
): Effect.fn.Return<A, E, R | Stdio.Stdio> {
  const stdio = yield* Stdio.Stdio
  if (!(yield* stdio.stderrIsTerminal)) return yield* work
  const write = (line: string) => Effect.ignore(Stream.run(Stream.make(line), stdio.stderr()))
  yield* write(text)
  return yield* Effect.ensuring(work, write(`\r${" ".repeat(text.length)}\r`))
})
