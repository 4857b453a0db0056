/**
 * What Prometheus is told of calls, under the names of Flyte's own connector, so that its dashboards stay.
 */
import { status } from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Settings from "../Settings.ts"

// As many as there are values of the labels, and no more: a caller may write what it likes for a task type.
const remembered = <A>(make: (...labels: ReadonlyArray<string>) => A) => {
  const made = new Map<string, A>()
  return (...labels: ReadonlyArray<string>): A => {
    const key = labels.join(" ")
    const known = made.get(key) ?? make(...labels)
    made.set(key, known)
    return known
  }
}

// Sum and count; quantiles are the scraper's business.
const summary = (name: string, description: string, attributes: Metric.Metric.Attributes) =>
  Metric.summary(name, { description, attributes, maxAge: "1 minute", maxSize: 0, quantiles: [] })

const successes = remembered((task_type = "", operation = "") =>
  Metric.counter("flyte_connector_requests_success_total", {
    description: "Calls that were answered",
    attributes: { task_type, operation }
  })
)

const failures = remembered((task_type = "", operation = "", error_code = "") =>
  Metric.counter("flyte_connector_requests_failure_total", {
    description: "Calls that failed",
    attributes: { task_type, operation, error_code }
  })
)

const spared = remembered((task_type = "", operation = "", outcome = "") =>
  Metric.counter("flyte_connector_requests_spared_total", {
    description: "Calls that met with a fault and were answered all the same, by the fault",
    attributes: { task_type, operation, outcome }
  })
)

const latencies = remembered((task_type = "", operation = "") =>
  summary("flyte_connector_request_latency_seconds", "Time to answer a call", { task_type, operation })
)

const literals = remembered((task_type = "") =>
  summary("flyte_connector_input_literal_bytes", "Size of the inputs of a task", { task_type })
)

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
  const type = known(taskType)
  yield* Metric.update(latencies(type, operation), seconds)
  if (fault !== undefined) yield* Metric.update(spared(type, operation, fault), 1)
  return yield* code === status.OK
    ? Metric.update(successes(type, operation), 1)
    : Metric.update(failures(type, operation, errorCodes[code] ?? "500"), 1)
})

/** Notes how large the inputs of a task are. */
export const inputs = (taskType: string, bytes: number): Effect.Effect<void> =>
  Metric.update(literals(known(taskType)), bytes)
