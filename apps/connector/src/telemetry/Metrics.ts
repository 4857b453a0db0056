/**
 * What is counted and measured of calls: under the names of Flyte's own connector, so that its dashboards stay, and more.
 */
import * as MetricFamily from "@flyte-databricks/databricks-auth/telemetry/MetricFamily"
import { status } from "@grpc/grpc-js"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { PrometheusMetrics } from "effect/observability"
import * as Settings from "../Settings.ts"

const successes = MetricFamily.counters("flyte_connector_requests_success_total", "Calls that were answered")

const failures = MetricFamily.counters("flyte_connector_requests_failure_total", "Calls that failed")

const spared = MetricFamily.counters(
  "flyte_connector_requests_spared_total",
  "Calls that met with a fault and were answered all the same, by the fault"
)

const latencies = MetricFamily.sums("flyte_connector_request_latency_seconds", "Time to answer a call")

const literals = MetricFamily.sums("flyte_connector_input_literal_bytes", "Size of the inputs of a task")

const durations = MetricFamily.histograms<"rpc_method" | "rpc_response_status_code">(
  "rpc.server.call.duration",
  "Time to answer a call",
  MetricFamily.seconds,
  { rpc_system_name: "grpc", unit: "seconds" }
)

const failed = MetricFamily.counters("flyte_databricks_failures_total", "Calls that failed, by the reason and its code")

const submitted = MetricFamily.counters(
  "flyte_databricks_runs_submitted_total",
  "Creates that were answered with a run"
)

const callersRefused = MetricFamily.counters<"reason">(
  "flyte_databricks_callers_refused_total",
  "Calls of somebody who may not call"
)

/** The namespaces that have a label of their own. Others share one; where there are none, there is no such label. */
export const Namespaces = Context.Reference<ReadonlySet<string>>("@flyte-databricks/connector/telemetry/Namespaces", {
  defaultValue: () => new Set()
})

type Services = Context.Context<never>

const operations: Readonly<Record<string, string>> = { CreateTask: "create", GetTask: "get", DeleteTask: "delete" }

// The numbers that HTTP has for them: Flyte's own connector counts 404 and 500.
const errorCodes: Readonly<Partial<Record<status, string>>> = {
  [status.INVALID_ARGUMENT]: "400",
  [status.FAILED_PRECONDITION]: "400",
  [status.UNAUTHENTICATED]: "401",
  [status.PERMISSION_DENIED]: "403",
  [status.NOT_FOUND]: "404",
  [status.CANCELLED]: "499",
  [status.UNIMPLEMENTED]: "501",
  [status.UNAVAILABLE]: "503",
  [status.DEADLINE_EXCEEDED]: "504"
}

// Each combination of labels is kept for good, and a caller may write what it likes for a task type.
const known = (taskType: string | undefined): string =>
  Settings.knownTaskTypes.find((name) => name === taskType) ?? "unknown"

/** The end of a call. */
export interface Ended {
  readonly operation: string
  /** In full. It is one of those that are served. */
  readonly method: string
  readonly taskType: string | undefined
  readonly namespace: string | undefined
  readonly authType: string | undefined
  readonly seconds: number
  readonly code: status
  /** What the call met with and was answered all the same. */
  readonly spared: string | undefined
  /** What it failed with, and the code of that; none where it did not, or where that is a defect. */
  readonly failure: { readonly reason: string; readonly code: string } | undefined
}

/** Counts a call, as Flyte's own connector does. */
const count = (services: Services, { operation: name, taskType, seconds, code, spared: fault }: Ended): void => {
  const operation = operations[name]
  if (operation === undefined) return
  const labels = { task_type: known(taskType), operation }
  latencies(labels).updateUnsafe(seconds, services)
  if (fault !== undefined) spared({ ...labels, outcome: fault }).updateUnsafe(1, services)
  if (code === status.OK) return successes(labels).updateUnsafe(1, services)
  failures({ ...labels, error_code: errorCodes[code] ?? "500" }).updateUnsafe(1, services)
}

/** Measures a call, and counts what came of it. */
const measure = (services: Services, { operation, method, seconds, failure, ...end }: Ended): void => {
  const statusCode = status[end.code]
  durations({ rpc_method: method, rpc_response_status_code: statusCode }).updateUnsafe(seconds, services)
  const listed = Context.get(services, Namespaces)
  const { namespace = "" } = end
  const ofNamespace = listed.size === 0 ? {} : { flyte_namespace: listed.has(namespace) ? namespace : "other" }
  if (end.code !== status.OK) {
    const { reason, code } = failure ?? { reason: statusCode, code: "none" }
    failed({ operation, reason, code, ...ofNamespace }).updateUnsafe(1, services)
  } else if (operation === "CreateTask") {
    submitted({ auth_type: end.authType ?? "none", ...ofNamespace }).updateUnsafe(1, services)
  }
}

/** Counts and measures a call. */
export const ended = (end: Ended): Effect.Effect<void> =>
  Effect.contextWith((services: Services) =>
    Effect.sync(() => {
      count(services, end)
      measure(services, end)
    })
  )

/** Counts a call of somebody who may not call. */
export const callerRefused = (reason: string): Effect.Effect<void> => Metric.update(callersRefused({ reason }), 1)

/** All of them as Prometheus reads them, where what OpenTelemetry's conventions name has its unit in the name. */
export const prometheus = (services: Context.Context<never>): string =>
  PrometheusMetrics.formatUnsafe(services, {
    metricNameMapper: (name) => (name.includes(".") ? `${name}_seconds` : name)
  })

/** Notes how large the inputs of a task are. */
export const inputs = (taskType: string, bytes: number): Effect.Effect<void> =>
  Metric.update(literals({ task_type: known(taskType) }), bytes)
