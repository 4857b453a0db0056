/**
 * The commands that say what is wrong, before a task fails.
 */
import { exits } from "@flyte-databricks/diagnosis/Report"
import * as Effect from "effect/Effect"
import * as CliError from "effect/cli/CliError"
import * as Output from "../diagnose/Output.ts"
import * as Doctor from "./Doctor.ts"
import * as Explain from "./Explain.ts"
import * as Onboard from "./Onboard.ts"

export const commands = [Explain.command, Doctor.command, Onboard.command] as const

/** Ends a command line that was not understood with the exit code for that, where it is one of these commands. */
export const withUsage = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E | Output.Ended, R> =>
  Effect.mapError(program, (error) => (isMisuse(error) ? new Output.Ended({ exitCode: exits.usage }) : error))

const isMisuse = (error: unknown): boolean =>
  CliError.isCliError(error) &&
  error._tag === "ShowHelp" &&
  error.errors.length > 0 &&
  commands.some(({ name }) => error.commandPath.includes(name))
