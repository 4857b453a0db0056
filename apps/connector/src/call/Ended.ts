/**
 * How a call ended, what was learnt of it on the way, and the log line that says so.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as Catalogue from "@flyte-databricks/diagnosis/Catalogue"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Record from "effect/Record"

/**
 * What a log line says of a call, as far as it is known. None of it is a secret.
 */
export type Facts = {
  readonly taskType?: string
  readonly namespace?: string
  readonly execution?: string
  readonly instance?: string
  readonly runId?: string
  readonly authType?: string
  readonly identity?: string
  readonly origin?: string
  /** Whom Databricks says that the run was made by, and whom it runs as. */
  readonly creator?: string
  readonly runAs?: string
  readonly phase?: string
}

/**
 * What went wrong in a call that answers all the same: the log line is a warning then, under this outcome.
 */
export interface Warning {
  readonly outcome: string
  readonly message: string
}

/**
 * How a call ended, and what was learnt of it.
 */
export interface Ended<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly durationMs: number
  readonly facts: Facts
  readonly warning: Warning | undefined
}

/** One line for each call. */
export const logLine = <A, E extends { readonly _tag: string; readonly message: string }>(
  operation: string,
  { exit, durationMs, facts, warning }: Ended<A, E>
): Effect.Effect<void> => {
  const line = (outcome: string, log: Effect.Effect<void>, code?: Catalogue.Code) =>
    Effect.annotateLogs(log, {
      ...Record.map(facts as Readonly<Record<string, string>>, fact),
      outcome,
      ...(code === undefined ? {} : { code }),
      durationMs
    })
  if (Exit.isSuccess(exit)) {
    // Polls that are fine are summed up elsewhere.
    const log = operation === "GetTask" ? Effect.logDebug : Effect.logInfo
    return warning === undefined
      ? line("ok", log(operation))
      : line(warning.outcome, Effect.logWarning(`${operation}: ${message(warning.message)}`))
  }
  const error = Cause.findErrorOption(exit.cause)
  if (Option.isSome(error))
    return line(
      outcomeOf(error.value),
      Effect.logWarning(`${operation}: ${message(error.value.message)}`),
      Catalogue.isFailure(error.value) ? Catalogue.codeOf(error.value) : undefined
    )
  return Cause.hasInterruptsOnly(exit.cause)
    ? line("cancelled by the caller", Effect.logInfo(operation))
    : line("defect", Effect.logError(operation, message(Cause.pretty(exit.cause))))
}

// Facts are what the caller sent, up to the size of a request. On a terminal, a line of their own would look like one of
// the log's.
const fact = (text: string): string => printable(text, { maxLength: 300, as: "value" })

// What a workspace, a proxy or a library says has no limit of its own.
const message = (text: string): string => printable(text, { maxLength: 4000, as: "lines" })

const outcomeOf = (error: {
  readonly _tag: string
  readonly reason?: { readonly _tag: string; readonly outcome?: string }
}): string => error.reason?.outcome ?? error.reason?._tag ?? error._tag
