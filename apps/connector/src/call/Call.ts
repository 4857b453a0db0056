/**
 * One call of Flyte's: what is learnt of it on the way, and the caller's deadline around it.
 */
import * as Watched from "@flyte-databricks/databricks-auth/http/Watched"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { constVoid } from "effect/Function"
import * as Option from "effect/Option"
import { ConnectorError, DeadlinePassed } from "./ConnectorError.ts"
import * as Ended from "./Ended.ts"

/** What is told of a call on its way. */
export interface Told {
  /** Adds what was learnt to the log line of the call. */
  readonly note: (facts: Ended.Facts) => void
  /** Says that the call met with something that its caller is spared. */
  readonly warn: (warning: Ended.Warning) => void
}

interface CallUnderWay extends Told {
  readonly operation: string
  /** The address that it came from. */
  readonly caller: string | undefined
  readonly setBy: "caller" | "connector"
  readonly endsAt: number
  /** What is learnt on the way. One call's steps follow each other, so it is written in place. */
  readonly facts: Ended.Facts
  /** Asked when the deadline strikes, where it is an effect: what there is to say of a wait grows while it lasts. */
  waitingFor: string | Effect.Effect<string>
  warning: Ended.Warning | undefined
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
 * Who hears of the call under way what is told of it; outside of one, nobody. It is heard at once.
 */
export const telling: Effect.Effect<Told> = Effect.withFiberSucceed((fiber) => fiber.getRef(CurrentCall) ?? nobody)

const nobody: Told = { note: constVoid, warn: constVoid }

/**
 * Adds what was learnt to the log line of the call under way.
 */
export const note = (facts: Ended.Facts): Effect.Effect<void> => update((call) => call.note(facts), Effect.void)

/**
 * Says that the call under way met with something that its caller is spared.
 */
export const warn = (warning: Ended.Warning): Effect.Effect<void> => update((call) => call.warn(warning), Effect.void)

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
  ended: (end: Ended.Ended<A, E | ConnectorError>) => Effect.Effect<void> = () => Effect.void,
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
      lastSetback: undefined,
      note: (facts) => void Object.assign(call.facts, facts),
      warn: (warning) => void (call.warning = warning)
    }
    return within(bound)(work).pipe(
      Effect.onExit((exit) => {
        const { facts, warning } = call
        const end = { exit, durationMs: clock.currentTimeMillisUnsafe() - start, facts, warning }
        return Effect.andThen(Ended.logLine(operation, end), ended(end))
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
