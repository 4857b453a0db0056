/**
 * What Prometheus is told of the line in front of Databricks.
 */
import * as MetricFamily from "@flyte-databricks/databricks-auth/telemetry/MetricFamily"
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Kind, Refusal } from "./Ticket.ts"

const waiting = Metric.gauge("flyte_connector_requests_waiting", {
  description: "Requests to Databricks that wait for their turn"
})

const turns = MetricFamily.sums<"operation">(
  "flyte_connector_turn_wait_seconds",
  "How long requests to Databricks waited for their turn, of those that had to"
)

const refused = MetricFamily.counters<"operation" | "why" | "bound">(
  "flyte_connector_turns_refused_total",
  "Requests to Databricks that were not made, as their turn would have come too late or too many waited"
)

const limited = MetricFamily.counters<"operation">(
  "flyte_connector_rate_limited_total",
  "Answers of Databricks that too much was asked of it (429)"
)

/** So many wait. */
export const wait = (count: number): Effect.Effect<void> => Metric.update(waiting, count)

/** Somebody had to wait so long. */
export const waited = (operation: Kind, millis: number): Effect.Effect<void> =>
  Metric.update(turns({ operation }), millis / 1000)

/** Somebody was turned away. */
export const turnedAway = (operation: Kind, { why, bound }: Refusal): Effect.Effect<void> =>
  Metric.update(refused({ operation, why, bound }), 1)

/** Databricks said that it was too much. */
export const tooMuch = (operation: Kind): Effect.Effect<void> => Metric.update(limited({ operation }), 1)
