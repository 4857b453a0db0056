/**
 * One call of Flyte's: what is learnt of it on the way, one log line at its end, and the caller's deadline around it.
 */
import * as Watched from "@flyte-databricks/databricks-auth/http/Watched"
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Catalogue from "@flyte-databricks/diagnosis/Catalogue"
import { ConnectorError, DeadlinePassed } from "./ConnectorError.ts"

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

interface CallUnderWay {
  readonly operation: string
  /** The address that it came from. */
  readonly caller: string | undefined
  readonly setBy: "caller" | "connector"
  readonly endsAt: number
  /** What is learnt on the way. One call's steps follow each other, so it is written in place. */
  readonly facts: Facts
  /** Asked when the deadline strikes, where it is an effect: what there is to say of a wait grows while it lasts. */
  waitingFor: string | Effect.Effect<string>
  warning: Warning | undefined
  /** What the call met with on its way, and tried again. */
  setbacks: number
  lastSetback: string | undefined
}

const CurrentCall = Context.Reference<CallUnderWay | undefined>("@flyte-databricks/connector/CurrentCall", {
  defaultValue: () => undefined
})

const update = <A, E, R>(change: (call: CallUnderWay) => void, next: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const call = fiber.getRef(CurrentCall)
    if (call !== undefined) change(call)
    return next
  })

/**
 * The call under way, and who makes it; outside of one, none.
 */
export const current: Effect.Effect<Pick<CallUnderWay, "operation" | "caller"> | undefined> = CurrentCall

/**
 * Adds what was learnt to the log line of the call under way.
 */
export const note = (facts: Facts): Effect.Effect<void> =>
  update((call) => Object.assign(call.facts, facts), Effect.void)

/**
 * Says that the call under way met with something that its caller is spared.
 */
export const warn = (warning: Warning): Effect.Effect<void> =>
  update((call) => {
    call.warning = warning
  }, Effect.void)

/**
 * Says that a try of the call under way failed, in case the deadline comes before a better one.
 */
export const setback = (message: string): Effect.Effect<void> =>
  update((call) => {
    call.setbacks += 1
    call.lastSetback = message
  }, Effect.void)

/**
 * Names what the call waits for, in case the deadline comes first; by an effect where there is more to say by then.
 */
export const waitFor =
  (what: string | Effect.Effect<string>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    update((call) => {
      call.waitingFor = what
    }, effect)

/**
 * For work that goes on when its call is over: what it meets with is none of the call's.
 */
export const outside = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(work, CurrentCall, undefined)

/**
 * When the work of the call under way has to end, in milliseconds; outside of a call, never.
 */
export const endsAt: Effect.Effect<number> = Effect.withFiberSucceed((fiber) => boundsOf(fiber).endsAt)

/**
 * When the work of the call that a fiber works for has to end, and the namespace that it is for, as far as it is known:
 * blank outside of a call.
 */
export const boundsOf = (
  fiber: Fiber.Fiber<unknown, unknown>
): { readonly endsAt: number; readonly namespace: string } => {
  const call = fiber.getRef(CurrentCall)
  return { endsAt: call?.endsAt ?? Infinity, namespace: call?.facts.namespace ?? "" }
}

/**
 * How long a call may take whose caller set no deadline. Flyte always sets one.
 */
export const UnboundedCallTimeout = Context.Reference<Duration.Input>(
  "@flyte-databricks/connector/UnboundedCallTimeout",
  {
    defaultValue: () => "1 minute"
  }
)

// The answer has to travel back before the deadline, so the work ends a little earlier.
const forWork = (remaining: number): number => Math.max(0, remaining - Math.min(500, remaining / 10))

/**
 * Runs a call: bounded by its deadline (an instant in milliseconds), with one log line at its end.
 */
export const run = <A, E extends { readonly _tag: string; readonly message: string }>(
  operation: string,
  deadline: Option.Option<number>,
  work: Effect.Effect<A, E>,
  /** Told how the call ended. */
  ended: (end: End<A, E | ConnectorError>) => Effect.Effect<void> = () => Effect.void,
  caller?: string
): Effect.Effect<A, E | ConnectorError> =>
  Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    const start = clock.currentTimeMillisUnsafe()
    const bound = Option.isSome(deadline)
      ? forWork(deadline.value - start)
      : Duration.toMillis(fiber.getRef(UnboundedCallTimeout))
    const call: CallUnderWay = {
      operation,
      caller,
      setBy: Option.isSome(deadline) ? "caller" : "connector",
      endsAt: start + bound,
      facts: {},
      waitingFor: "its turn",
      warning: undefined,
      setbacks: 0,
      lastSetback: undefined
    }
    return within(bound)(work).pipe(
      Effect.onExit((exit) => {
        const { facts, warning } = call
        const end = { exit, durationMs: clock.currentTimeMillisUnsafe() - start, facts, warning }
        return Effect.andThen(logLine(operation, end), ended(end))
      }),
      Effect.provideService(CurrentCall, call)
    )
  })

/**
 * Bounds the work of the call under way, or a part of it; an error that the time is up says what was waited for, and how
 * that went so far. It is the caller's deadline that is up, unless a setting is named.
 */
export const within =
  (millis: number, setting?: "FLYTE_DATABRICKS_CREATE_PATIENCE") =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | ConnectorError, R> => {
    const late = Effect.gen(function* () {
      const { operation, setBy } = (yield* CurrentCall) ?? unknownCall
      const met = yield* progress
      return yield* new ConnectorError({
        reason: new DeadlinePassed({ operation, setBy: setting ?? setBy, afterMillis: millis, ...met })
      })
    })
    const bounded = Watched.within(work, millis, late)
    // The deadline of the call comes first, and is watched already.
    return setting === undefined
      ? bounded
      : Effect.withFiber((fiber) => {
          const { endsAt = Infinity } = fiber.getRef(CurrentCall) ?? {}
          return fiber.getRef(Clock.Clock).currentTimeMillisUnsafe() + millis >= endsAt ? work : bounded
        })
  }

const unknownCall = { operation: "The call", setBy: "connector" } as const

// What the call under way waits for, and how that went so far.
const progress = Effect.gen(function* () {
  const call = yield* CurrentCall
  if (call === undefined) return { waitingFor: "an answer", setbacks: 0 }
  const waitingFor = typeof call.waitingFor === "string" ? call.waitingFor : yield* call.waitingFor
  const { setbacks, lastSetback } = call
  return { waitingFor, setbacks, ...(lastSetback === undefined ? {} : { lastSetback }) }
})

/**
 * How a call ended, and what was learnt of it.
 */
export interface End<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly durationMs: number
  readonly facts: Facts
  readonly warning: Warning | undefined
}

const logLine = <A, E extends { readonly _tag: string; readonly message: string }>(
  operation: string,
  { exit, durationMs, facts, warning }: End<A, E>
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
