/**
 * What Prometheus is told of the line in front of Databricks.
 */
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Kind, Refusal } from "./Ticket.ts"

const waiting = Metric.gauge("flyte_connector_requests_waiting", {
  description: "Requests to Databricks that wait for their turn"
})

const turns = Metric.summary("flyte_connector_turn_wait_seconds", {
  description: "How long requests to Databricks waited for their turn, of those that had to",
  maxAge: "1 minute",
  maxSize: 0,
  quantiles: []
})

const refused = Metric.counter("flyte_connector_turns_refused_total", {
  description: "Requests to Databricks that were not made, as their turn would have come too late or too many waited",
  incremental: true
})

const limited = Metric.counter("flyte_connector_rate_limited_total", {
  description: "Answers of Databricks that too much was asked of it (429)",
  incremental: true
})

/** So many wait. */
export const wait = (count: number): Effect.Effect<void> => Metric.update(waiting, count)

/** Somebody had to wait so long. */
export const waited = (operation: Kind, millis: number): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(turns, { operation }), millis / 1000)

/** Somebody was turned away. */
export const turnedAway = (operation: Kind, { why, bound }: Refusal): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(refused, { operation, why, bound }), 1)

/** Databricks said that it was too much. */
export const tooMuch = (operation: Kind): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(limited, { operation }), 1)
