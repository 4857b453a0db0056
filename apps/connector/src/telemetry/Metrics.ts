/**
 * What Prometheus is told of calls, under the names of Flyte's own connector, so that its dashboards stay.
 */
import { status } from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Settings from "../Settings.ts"

const successes = Metric.counter("flyte_connector_requests_success_total", { description: "Calls that were answered" })

const failures = Metric.counter("flyte_connector_requests_failure_total", { description: "Calls that failed" })

const spared = Metric.counter("flyte_connector_requests_spared_total", {
  description: "Calls that met with a fault and were answered all the same, by the fault"
})

// Sum and count; quantiles are the scraper's business.
const sumAndCount = { maxAge: "1 minute", maxSize: 0, quantiles: [] } as const

const latencies = Metric.summary("flyte_connector_request_latency_seconds", {
  description: "Time to answer a call",
  ...sumAndCount
})

const literals = Metric.summary("flyte_connector_input_literal_bytes", {
  description: "Size of the inputs of a task",
  ...sumAndCount
})

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

/** The end of a call, as far as it counts. */
export interface Ended {
  readonly taskType: string | undefined
  readonly seconds: number
  readonly code: status
  /** What the call met with and was answered all the same. */
  readonly spared: string | undefined
}

/** Counts a call. */
export const ended = Effect.fnUntraced(function* (method: string, { taskType, seconds, code, spared: fault }: Ended) {
  const operation = operations[method]
  if (operation === undefined) return
  const labels = { task_type: known(taskType), operation }
  yield* Metric.update(Metric.withAttributes(latencies, labels), seconds)
  if (fault !== undefined) yield* Metric.update(Metric.withAttributes(spared, { ...labels, outcome: fault }), 1)
  if (code === status.OK) return yield* Metric.update(Metric.withAttributes(successes, labels), 1)
  const error_code = errorCodes[code] ?? "500"
  return yield* Metric.update(Metric.withAttributes(failures, { ...labels, error_code }), 1)
})

/** Notes how large the inputs of a task are. */
export const inputs = (taskType: string, bytes: number): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(literals, { task_type: known(taskType) }), bytes)
