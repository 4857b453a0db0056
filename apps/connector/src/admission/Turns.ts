/**
 * Each request to Databricks in its turn. This is the one place where calls wait for each other: before that nothing is
 * sent and no connection is open, so what is given up here costs nothing. `Line` says whose turn it is.
 */
import type { Credential } from "@flyte-databricks/databricks-auth"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Call from "../call/Call.ts"
import { ConnectorError, type Failure, Overloaded } from "../call/ConnectorError.ts"
import * as Settings from "../Settings.ts"
import * as Line from "./Line.ts"
import type * as Ticket from "./Ticket.ts"
import * as Metrics from "./Metrics.ts"

export class Turns extends Context.Service<
  Turns,
  {
    /** Makes a request when its turn has come; fails where that would be too late for the call under way. */
    readonly take: (
      kind: Ticket.Kind,
      credential: Pick<Credential.Credential, "identity">
    ) => <A, E extends Failure, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E | ConnectorError, R>
    /**
     * Has a call wait before it makes anything of what it was sent: the first request that it makes from this place is made
     * in the turn that it has. Says where it has to wait.
     */
    readonly ahead: (
      place: Ticket.Place,
      waits: () => void
    ) => <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E | ConnectorError, R>
    /** Fails where so many wait that nobody else is taken, before anything is done for a call. */
    readonly unlessFull: (kind: Ticket.Kind) => Effect.Effect<void, ConnectorError>
  }
>()("@flyte-databricks/connector/admission/Turns") {}

/** Makes the line, for as long as the scope is open. */
export const make = Effect.fnUntraced(function* (
  limits: Ticket.Limits
): Effect.fn.Return<Turns["Service"], never, Scope.Scope> {
  const lines = Line.make(limits)
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const sleepers = new Map<Ticket.Ticket, (turn: Effect.Effect<void, ConnectorError>) => void>()
  let alarmAt = Infinity

  const turnedAway = (kind: Ticket.Kind, refusal: Ticket.Refusal, instance: string | undefined) =>
    Effect.andThen(Metrics.turnedAway(kind, refusal), Effect.fail(overloaded(limits, kind, refusal, instance)))

  const answerTo = ({ refusal, kind, line }: Ticket.Ticket): Effect.Effect<void, ConnectorError> =>
    refusal === undefined ? Effect.void : turnedAway(kind, refusal, line.workspace.name)

  const tell = (changed: ReadonlyArray<Ticket.Ticket>): void => {
    for (const ticket of changed) sleepers.get(ticket)?.(answerTo(ticket))
  }

  /** Sees to it that somebody looks when time alone changes whose turn it is. */
  const setAlarm: Effect.Effect<void> = Effect.suspend(() => {
    const now = clock.currentTimeMillisUnsafe()
    const at = lines.wakeAt(now)
    // One that is past has rung, or never will.
    if (at >= alarmAt && alarmAt > now) return Effect.void
    alarmAt = at
    const ring = Effect.suspend(() => {
      if (alarmAt === at) alarmAt = Infinity
      tell(lines.step(clock.currentTimeMillisUnsafe()))
      return setAlarm
    })
    const alarm = Effect.interruptible(Effect.delay(ring, Math.max(1, at - now)))
    return Effect.asVoid(Effect.forkIn(alarm, scope))
  })

  const sleep = (ticket: Ticket.Ticket) =>
    Effect.callback<void, ConnectorError>((resume) => {
      // It may have been told while the alarm was set.
      if (ticket.state === "waits") sleepers.set(ticket, resume)
      else resume(answerTo(ticket))
      return Effect.sync(() => sleepers.delete(ticket))
    })

  const arrive = (place: Ticket.Place, endsAt: number, isAhead = false): Ticket.Ticket => {
    const [ticket, changed] = lines.arrive(place, endsAt, clock.currentTimeMillisUnsafe(), isAhead)
    tell(changed)
    return ticket
  }

  const use = (ticket: Ticket.Ticket): boolean => lines.use(ticket, clock.currentTimeMillisUnsafe())

  const wait = Effect.fnUntraced(function* (ticket: Ticket.Ticket) {
    const since = ticket.since
    if (ticket.refusal !== undefined) return yield* answerTo(ticket)
    yield* setAlarm
    yield* Metrics.wait(lines.waiting())
    const others = Effect.sync(() => `its turn to ask ${ticket.line.workspace.name}, as ${lines.waiting()} requests do`)
    yield* sleep(ticket).pipe(Call.waitFor(others))
    yield* Metrics.waited(ticket.kind, clock.currentTimeMillisUnsafe() - since)
  })

  const leave = (ticket: Ticket.Ticket, outcome?: Ticket.Outcome): Effect.Effect<void> => {
    const now = clock.currentTimeMillisUnsafe()
    sleepers.delete(ticket)
    lines.leave(ticket, now, outcome)
    const counted = outcome?._tag === "Limited" ? Metrics.tooMuch(ticket.kind) : Effect.void
    if (lines.waiting() === 0) return counted
    tell(lines.step(now))
    return counted.pipe(Effect.andThen(Metrics.wait(lines.waiting())), Effect.andThen(setAlarm))
  }

  return {
    take:
      (kind, { identity }) =>
      (request) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.withFiber((fiber) => {
            const { endsAt, namespace } = Call.boundsOf(fiber)
            const place = { workspace: identity.instance, namespace, kind }
            const had = fiber.getRef(Had)
            const ticket = had !== undefined && isOf(had, place) && use(had) ? had : arrive(place, endsAt)
            const turn = ticket.state === "goes" ? request : Effect.andThen(wait(ticket), request)
            return Effect.onExit(restore(turn), (exit) =>
              leave(ticket, ticket.state === "goes" ? outcomeOf(exit) : undefined)
            )
          })
        ),
    ahead: (place, waits) => (call) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.withFiber((fiber) => {
          const ticket = arrive(place, Call.boundsOf(fiber).endsAt, true)
          const own = Effect.provideService(call, Had, ticket)
          if (ticket.state !== "has") waits()
          const turn = ticket.state === "has" ? own : Effect.andThen(wait(ticket), own)
          return Effect.onExit(restore(turn), () => (ticket.state === "goes" ? Effect.void : leave(ticket)))
        })
      ),
    unlessFull: (kind) =>
      Effect.suspend(() => {
        const refusal = lines.full()
        return refusal === undefined ? Effect.void : turnedAway(kind, refusal, undefined)
      })
  }
})

/** The turn that the call under way has got ahead of its request. */
const Had = Context.Reference<Ticket.Ticket | undefined>("@flyte-databricks/connector/admission/Had", {
  defaultValue: () => undefined
})

const isOf = ({ line, kind }: Ticket.Ticket, place: Ticket.Place): boolean =>
  kind === place.kind && line.namespace === place.namespace && line.workspace.name === place.workspace

/** The line that the environment asks for. */
export const layer: Layer.Layer<Turns, Config.ConfigError> = Layer.effect(
  Turns,
  Effect.gen(function* () {
    const submits = yield* Settings.submitsPerSecond
    const gets = yield* Settings.getsPerSecond
    const perSecond = { submit: submits, cancel: submits, get: gets, output: gets }
    return yield* make({ atOnce: yield* Settings.maxConcurrentRequests, perSecond })
  })
)

const outcomeOf = (exit: Exit.Exit<unknown, Failure | ConnectorError>): Ticket.Outcome | undefined => {
  if (Exit.isSuccess(exit)) return { _tag: "Answered" }
  const failure = Option.getOrUndefined(Exit.findErrorOption(exit))
  return failure?.reason._tag === "JobsUnavailable" && failure.reason.status === 429
    ? { _tag: "Limited", retryAfterMillis: failure.reason.retryAfterMillis ?? 0 }
    : undefined
}

/** As in "was not asked to …". */
const operations: Readonly<Record<Ticket.Kind, string>> = {
  submit: "submit a run",
  get: "say how a run is doing",
  cancel: "cancel a run",
  output: "give the output of a run"
}

const overloaded = (
  { atOnce, perSecond }: Ticket.Limits,
  kind: Ticket.Kind,
  { why, bound, waiting }: Ticket.Refusal,
  instance: string | undefined
): ConnectorError => {
  const ofRate = kind === "submit" || kind === "cancel" ? Settings.submitsPerSecondName : Settings.getsPerSecondName
  return new ConnectorError({
    reason: new Overloaded({
      operation: operations[kind],
      why,
      waiting,
      ...(instance === undefined ? {} : { instance }),
      limit: bound === "rate" ? perSecond[kind] : atOnce,
      setting: bound === "rate" ? ofRate : Settings.maxConcurrentRequestsName
    })
  })
}
