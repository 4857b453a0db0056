/**
 * How a call ended, what was learnt of it on the way, and the log line that says so.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as Catalogue from "@flyte-databricks/diagnosis/Catalogue"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as LogLevel from "effect/LogLevel"
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

/** One line for each call, made where somebody reads it: polls that are fine are summed up elsewhere. */
export const logLine = <A, E extends { readonly _tag: string; readonly message: string }>(
  operation: string,
  end: Ended<A, E>
): Effect.Effect<void> =>
  Exit.isSuccess(end.exit) && end.warning === undefined && operation === "GetTask"
    ? Effect.flatMap(LogLevel.isEnabled("Debug"), (isRead) =>
        isRead ? annotated(end, "ok", Effect.logDebug(operation)) : Effect.void
      )
    : lineOf(operation, end)

const lineOf = <A, E extends { readonly _tag: string; readonly message: string }>(
  operation: string,
  end: Ended<A, E>
): Effect.Effect<void> => {
  const { exit, warning } = end
  if (Exit.isSuccess(exit)) {
    return warning === undefined
      ? annotated(end, "ok", Effect.logInfo(operation))
      : annotated(end, warning.outcome, Effect.logWarning(`${operation}: ${message(warning.message)}`))
  }
  const error = Cause.findErrorOption(exit.cause)
  if (Option.isSome(error))
    return annotated(
      end,
      outcomeOf(error.value),
      Effect.logWarning(`${operation}: ${message(error.value.message)}`),
      Catalogue.isFailure(error.value) ? Catalogue.codeOf(error.value) : undefined
    )
  return Cause.hasInterruptsOnly(exit.cause)
    ? annotated(end, "cancelled by the caller", Effect.logInfo(operation))
    : annotated(end, "defect", Effect.logError(operation, message(Cause.pretty(exit.cause))))
}

const annotated = (
  { durationMs, facts }: Ended<unknown, unknown>,
  outcome: string,
  log: Effect.Effect<void>,
  code?: Catalogue.Code
): Effect.Effect<void> =>
  Effect.annotateLogs(log, {
    ...Record.map(facts as Readonly<Record<string, string>>, fact),
    outcome,
    ...(code === undefined ? {} : { code }),
    durationMs
  })

// Facts are what the caller sent, up to the size of a request. On a terminal, a line of their own would look like one of
// the log's.
const fact = (text: string): string => printable(text, { maxLength: 300, as: "value" })

// What a workspace, a proxy or a library says has no limit of its own.
const message = (text: string): string => printable(text, { maxLength: 4000, as: "lines" })

const outcomeOf = (error: {
  readonly _tag: string
  readonly reason?: { readonly _tag: string; readonly outcome?: string }
}): string => error.reason?.outcome ?? error.reason?._tag ?? error._tag
