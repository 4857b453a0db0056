/**
 * What each request to Databricks shows of itself: how long it took and, where somebody traces, a span. Of the address
 * there are the host and which of the known paths it is, of the answer the status; never a header, a body or a query.
 */
import * as MetricFamily from "@flyte-databricks/databricks-auth/telemetry/MetricFamily"
import * as Spans from "@flyte-databricks/databricks-auth/telemetry/Spans"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"

const durations = MetricFamily.histograms<"http_request_method" | "url_template" | "status_class">(
  "http.client.request.duration",
  "Requests to Databricks, until the head of the answer",
  MetricFamily.seconds,
  { unit: "seconds" }
)

const paths = [
  "/api/2.1/jobs/runs/get",
  "/api/2.1/jobs/runs/submit",
  "/api/2.1/jobs/runs/cancel",
  "/api/2.1/jobs/runs/get-output",
  "/oidc/v1/token",
  "/.well-known/databricks-config",
  "/.well-known/oauth-authorization-server"
]

/** Which of the known paths an address has, by how it ends. An account's token endpoint has its id in the path. */
const templateOf = (url: string): string =>
  paths.find((path) => url.endsWith(path)) ??
  (url.endsWith("/v1/token") ? "/oidc/accounts/{account_id}/v1/token" : "other")

type Answered = Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>

/** Whatever a server makes up is no class of its own. */
const statusClassOf = (exit: Answered): string => {
  if (Exit.isFailure(exit)) return "none"
  const hundreds = Math.floor(exit.value.status / 100)
  return hundreds >= 2 && hundreds <= 5 ? `${hundreds}xx` : "other"
}

const methods = ["GET", "POST"]
const methodOf = ({ method }: HttpClientRequest.HttpClientRequest): string =>
  methods.includes(method) ? method : "other"

/** Clock and registry are looked up once, and the end of a request needs no step of its own. */
const measured = <E, R>(
  send: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>,
  request: HttpClientRequest.HttpClientRequest
) =>
  Effect.contextWith((services: Context.Context<never>) => {
    const clock = Context.get(services, Clock.Clock)
    const start = clock.currentTimeMillisUnsafe()
    return Effect.onExitPrimitive(send, (exit) => {
      const labels = {
        http_request_method: methodOf(request),
        url_template: templateOf(request.url),
        status_class: statusClassOf(exit)
      }
      durations(labels).updateUnsafe((clock.currentTimeMillisUnsafe() - start) / 1000, services)
      return undefined
    })
  })

/** What the client's own error says may quote the query and the server, so the span ends without it. */
const traced = <E, R>(
  send: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>,
  request: HttpClientRequest.HttpClientRequest
) => {
  const template = templateOf(request.url)
  const method = methodOf(request)
  const url = URL.parse(request.url)
  const attributes = {
    "http.request.method": method,
    "url.template": template,
    ...(url === null ? {} : Spans.server(url))
  }
  const withEnd = Effect.tap(Effect.exit(send), (exit) => Effect.annotateCurrentSpan(attributesOf(exit)))
  return Effect.flatten(Effect.withSpan(withEnd, `${method} ${template}`, { kind: "client", attributes }))
}

const attributesOf = (exit: Answered): Readonly<Record<string, unknown>> => {
  if (Exit.isFailure(exit)) return { "error.type": Exit.hasInterrupts(exit) ? "interrupted" : "no answer" }
  const { status } = exit.value
  return { "http.response.status_code": status, ...(status >= 400 ? { "error.type": String(status) } : {}) }
}

/** The client, which shows each request. */
export const layer: Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> = Layer.effect(
  HttpClient.HttpClient,
  Effect.gen(function* () {
    const client = HttpClient.transform(yield* HttpClient.HttpClient, measured)
    return (yield* Spans.areWanted) ? HttpClient.transform(client, traced) : client
  })
)
