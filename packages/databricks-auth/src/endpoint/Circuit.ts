/**
 * A circuit breaker per workspace, for its token endpoint. A dead endpoint would hold every caller for as long as it may
 * wait. So once requests of several clients in a row have failed, callers hear so at once, and one at a time tries whether
 * it is back.
 *
 *     closed ──clients in a row fail──▶ open ──time──▶ half open: one try
 *        ▲                               ▲               │        │
 *        │                               └────it fails───┘        │
 *        └────────────────────────────────────it succeeds─────────┘
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import { TokenEndpointUnavailable } from "../AuthError.ts"
import { showCircuits } from "./endpointMetrics.ts"

/**
 * When a token endpoint counts as down, and for how long it is left alone then.
 */
export interface Policy {
  /**
   * How many different clients have to fail in a row. What fails for one client alone, however often, is that client's
   * own trouble: an issuer that Databricks cannot reach, a limit of its own.
   */
  readonly clients: number
  /** From one failed try to the next, while it stays down; longer where its `Retry-After` says so. */
  readonly openFor: Schedule.Schedule<unknown, number>
}

/** The policy of all endpoints. */
export const CircuitPolicy = Context.Reference<Policy>("@flyte-databricks/databricks-auth/CircuitPolicy", {
  defaultValue: () => ({
    clients: 3,
    openFor: Schedule.min([Schedule.exponential("2 seconds"), Schedule.spaced("10 seconds")]).pipe(Schedule.jittered)
  })
})

/** One try of one client. */
export interface Try {
  /** What fails together. It is the workspace's own circuit: two behind one host fail each for itself. */
  readonly instance: string
  /** The URL that is asked, for errors. */
  readonly endpoint: string
  /** Whose token it is for. */
  readonly clientId: string
  /**
   * A task chose the client id, which may be made up. It has no part in the circuit before it was given a token: what
   * authors make up neither opens it for others nor takes their turn to try.
   */
  readonly isTaskClient?: boolean | undefined
}

/** What is known of an endpoint that fails; forgotten when it answers. */
interface Outage {
  readonly since: number
  readonly clients: Set<string>
  lastAnswer: string
}

// An endpoint that asks for a day may be back in a minute.
const longestRetryAfter = "2 minutes"

// Workflow authors choose hosts and client ids: what never answers must not fill the memory.
const outagesKept = 1000
const provenKept = 1000

/** Guards tries. */
export interface Circuit {
  /** Makes the try, or says that the endpoint is down, and how many tries of this call have begun so far. */
  readonly guard: <A>(
    attempt: Effect.Effect<A, TokenEndpointUnavailable>,
    what: Try,
    begun: Effect.Effect<{ readonly attempts: number }>
  ) => Effect.Effect<A, TokenEndpointUnavailable>
  /** The client was given a token. */
  readonly proved: (what: Try) => void
}

const nameOf = ({ instance, clientId }: Try): string => `${instance} ${clientId}`

/**
 * A circuit for all endpoints, by workspace. It is forgotten with its scope.
 */
export const make: Effect.Effect<Circuit, never, Scope.Scope> = Effect.gen(function* () {
  const { clients, openFor } = yield* CircuitPolicy
  const breaker = yield* CircuitBreaker.make({
    tripPolicy: CircuitBreaker.consecutive(clients),
    openDuration: openFor,
    maxOpenDuration: longestRetryAfter
  })
  yield* Effect.forkScoped(Stream.runForEach(breaker.transitions, yield* showCircuits), { startImmediately: true })
  const outages = new Map<string, Outage>()
  const proven = new Set<string>()

  const stateOf = (instance: string) =>
    Effect.map(Effect.orDie(breaker.state(instance)), ({ _tag }): CircuitBreaker.State["_tag"] => _tag)

  const succeeded = Effect.fnUntraced(function* ({ instance }: Try) {
    // An answer to a request that was sent before the circuit opened does not end the outage.
    if ((yield* stateOf(instance)) !== "Open") outages.delete(instance)
    return CircuitBreaker.success
  })

  const failed = Effect.fnUntraced(function* ({ instance, clientId }: Try, failure: TokenEndpointUnavailable) {
    const { detail, retryAfterMillis: retryAfter } = failure
    const outage = outages.get(instance) ?? {
      since: yield* Clock.currentTimeMillis,
      clients: new Set<string>(),
      lastAnswer: detail
    }
    const again = outage.clients.has(clientId)
    if (outage.clients.size < clients) outage.clients.add(clientId)
    outage.lastAnswer = detail
    outages.set(instance, outage)
    if (outages.size > outagesKept) outages.delete(outages.keys().next().value ?? instance)
    return again && (yield* stateOf(instance)) === "Closed"
      ? CircuitBreaker.ignored
      : CircuitBreaker.failure({ retryAfter })
  })

  const classify =
    (what: Try) =>
    (exit: Exit.Exit<unknown, TokenEndpointUnavailable>): Effect.Effect<CircuitBreaker.Outcome> => {
      if (Exit.isSuccess(exit)) return succeeded(what)
      const error = Exit.findErrorOption(exit)
      // Too many requests: the endpoint is healthy and is limiting this client only.
      return error._tag === "None" || error.value.status === 429
        ? Effect.succeed(CircuitBreaker.ignored)
        : failed(what, error.value)
    }

  const rejected = Effect.fnUntraced(function* (
    { reason }: CircuitBreaker.CircuitBreakerError,
    { instance, endpoint }: Try,
    attempts: number
  ): Effect.fn.Return<never, TokenEndpointUnavailable> {
    const { since, lastAnswer } = outages.get(instance) ?? {
      since: yield* Clock.currentTimeMillis,
      lastAnswer: "no longer known"
    }
    return yield* new TokenEndpointUnavailable({
      endpoint,
      detail: lastAnswer,
      attempts,
      downSinceMillis: since,
      ...(reason._tag === "CircuitOpen" ? { retryAfterMillis: Duration.toMillis(reason.retryAfter) } : {})
    })
  })

  const guard: Circuit["guard"] = (attempt, what, begun) =>
    Effect.suspend(() =>
      what.isTaskClient === true && !proven.has(nameOf(what))
        ? attempt
        : breaker
            .execute(attempt, { key: what.instance, classify: classify(what) })
            .pipe(
              Effect.catchTag("CircuitBreakerError", (error) =>
                Effect.flatMap(begun, ({ attempts }) => rejected(error, what, attempts))
              )
            )
    )
  const proved: Circuit["proved"] = (what) => {
    if (what.isTaskClient !== true) return
    const name = nameOf(what)
    proven.delete(name)
    proven.add(name)
    if (proven.size > provenKept) proven.delete(proven.values().next().value ?? name)
  }
  return { guard, proved }
}).pipe(Effect.provide(CircuitBreaker.layerStoreMemory()))
