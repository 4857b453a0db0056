/**
 * What token endpoints show of themselves: requests for tokens, and circuits.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import type { AuthError } from "../AuthError.ts"
import * as MetricFamily from "../telemetry/MetricFamily.ts"

const grants = ["client_credentials", "token_exchange"] as const
type Grant = (typeof grants)[number]

const results = ["issued", "refused", "unavailable", "invalid", "short_circuited", "interrupted"] as const

const requests = MetricFamily.counters<"grant" | "result">(
  "flyte_databricks_token_requests_total",
  "Tokens that were asked for, and what came of it"
)

const durations = MetricFamily.histograms<"grant">(
  "flyte_databricks_token_request_duration_seconds",
  "Time to get a token, with every try",
  MetricFamily.seconds
)

/** Has the counters show from the start. */
export const begin: Effect.Effect<void> = Effect.forEach(
  grants.flatMap((grant) => results.map((result) => ({ grant, result }))),
  (labels) => MetricFamily.zero(requests(labels)),
  { discard: true }
)

const resultOf = (exit: Exit.Exit<unknown, AuthError>): (typeof results)[number] => {
  if (Exit.isSuccess(exit)) return "issued"
  const error = Exit.findErrorOption(exit)
  if (Option.isNone(error)) return Exit.hasInterrupts(exit) ? "interrupted" : "invalid"
  const { reason } = error.value
  switch (reason._tag) {
    case "TokenRefused":
    case "ExchangeRefused":
    case "InstanceRefused":
      return "refused"
    case "TokenEndpointUnavailable":
      return reason.downSinceMillis === undefined ? "unavailable" : "short_circuited"
    default:
      return "invalid"
  }
}

/** Counts a request for a token, and measures it. */
export const measured =
  (grant: Grant) =>
  <A, R>(request: Effect.Effect<A, AuthError, R>): Effect.Effect<A, AuthError, R> =>
    Effect.flatMap(Clock.currentTimeMillis, (start) =>
      Effect.onExit(request, (exit) =>
        Effect.gen(function* () {
          yield* Metric.update(requests({ grant, result: resultOf(exit) }), 1)
          yield* Metric.update(durations({ grant }), ((yield* Clock.currentTimeMillis) - start) / 1000)
        })
      )
    )

/** Workflow authors choose hosts: so many have a gauge of their own. */
const circuitsShown = 20

// Whoever asks for tokens of an endpoint that is down tries it every two minutes at least. Where nobody does any longer, it
// is not known to be down.
const forgottenAfter = Duration.toMillis("10 minutes")

/** Shows circuits that have opened, for as long as the scope is open. */
export const showCircuits = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const seen = new Map<string, { isOpen: boolean; at: number }>()
  const shown = new Set<string>()
  const isOpen = (instance: string): boolean => {
    const last = seen.get(instance)
    return last?.isOpen === true && clock.currentTimeMillisUnsafe() - last.at < forgottenAfter
  }
  const show = (instance: string, read: () => boolean) =>
    Scope.provide(
      MetricFamily.observed(
        "flyte_databricks_circuit_open",
        "1 while a workspace's token endpoint counts as down",
        { databricks_instance: instance },
        () => (read() ? 1 : 0)
      ),
      scope
    )
  return ({ key, to }: CircuitBreaker.Transition): Effect.Effect<void> =>
    Effect.suspend(() => {
      const at = clock.currentTimeMillisUnsafe()
      seen.set(key, { isOpen: to !== "Closed", at })
      for (const [instance, last] of seen) if (at - last.at >= forgottenAfter) seen.delete(instance)
      if (shown.has(key) || shown.has("other")) return Effect.void
      const isRoom = shown.size < circuitsShown
      const name = isRoom ? key : "other"
      shown.add(name)
      return isRoom
        ? show(name, () => isOpen(name))
        : show(name, () => [...seen.keys()].some((instance) => !shown.has(instance) && isOpen(instance)))
    })
})
