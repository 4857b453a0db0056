/**
 * What each request to the API server shows of itself: a span, and how long it took.
 */
import * as MetricFamily from "@flyte-databricks/databricks-auth/telemetry/MetricFamily"
import * as Spans from "@flyte-databricks/databricks-auth/telemetry/Spans"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type { Failure } from "./answers.ts"

/** A request by its kind, of which there are few: no name of a namespace or an object is in it. */
export interface Request {
  readonly verb: "get" | "list" | "create"
  readonly resource: string
  /** The path, with names in braces. */
  readonly template: string
}

const durations = MetricFamily.histograms<"resource" | "verb" | "result">(
  "flyte_databricks_kubernetes_request_duration_seconds",
  "Requests to the Kubernetes API, by what came of them",
  MetricFamily.seconds
)

const resultOf = (exit: Exit.Exit<unknown, Failure>): string => {
  if (Exit.isSuccess(exit)) return "ok"
  const failure = Exit.findErrorOption(exit)
  if (Option.isNone(failure)) return "interrupted"
  switch (failure.value._tag) {
    case "Absent":
      return "absent"
    case "Forbidden":
      return "forbidden"
    case "Unauthenticated":
      return "unauthenticated"
    case "Unavailable":
      return "unavailable"
  }
}

/**
 * Measures a request to a server. `status` says what it was answered with, if it was. What the request fails with stays
 * out of the span: it may quote the server.
 */
export const measured = (server: string) => {
  const address = Spans.server(new URL(server))
  return <A, R>(
    { verb, resource, template }: Request,
    status: () => number | undefined,
    request: Effect.Effect<A, Failure, R>
  ): Effect.Effect<A, Failure, R> => {
    const method = verb === "create" ? "POST" : "GET"
    const attributes = { "http.request.method": method, "url.template": template, ...address }
    const work = Effect.gen(function* () {
      const start = yield* Clock.currentTimeMillis
      return yield* Effect.onExit(request, (exit) =>
        Effect.gen(function* () {
          const result = resultOf(exit)
          const labels = { resource, verb, result }
          yield* Metric.update(durations(labels), ((yield* Clock.currentTimeMillis) - start) / 1000)
          const code = status()
          yield* Effect.annotateCurrentSpan({
            ...(code === undefined ? {} : { "http.response.status_code": code }),
            ...(result === "ok" || result === "absent" ? {} : { "error.type": result })
          })
        })
      )
    })
    return Effect.flatten(Effect.withSpan(Effect.exit(work), `${method} ${template}`, { kind: "client", attributes }))
  }
}
