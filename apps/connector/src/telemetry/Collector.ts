/**
 * The way to a collector, which may be down, slow or hostile: that costs no call anything, and no more memory than a few
 * batches. What cannot be sent is dropped and counted, and the log hears of it once.
 */
import * as MetricFamily from "@flyte-databricks/databricks-auth/telemetry/MetricFamily"
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Agent, request as send } from "undici"
import type { Destination, Signal } from "./OtelSettings.ts"

const exports = MetricFamily.counters<"signal" | "result">(
  "flyte_databricks_otlp_exports_total",
  "Batches for the collector, and what became of them"
)

// One is on its way, and another may be while that one is tried again.
const atOnce = 2
// It answers with a few bytes, if at all.
const maxAnswer = 64 * 1024

const transient = [408, 429, 502, 503, 504]

interface Refused {
  readonly mayPass: boolean
  readonly detail: string
}

/**
 * A client that sends to a destination, and to nothing else. It never fails: who exports through it goes on as if all had
 * been taken.
 */
export const make = Effect.fnUntraced(function* (
  signal: Signal,
  { url, headers }: Destination,
  timeout: Duration.Duration
): Effect.fn.Return<HttpClient.HttpClient, never, Scope.Scope> {
  const label = signal.toLowerCase()
  const millis = Duration.toMillis(timeout)
  const agent = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new Agent({
          connections: atOnce,
          connect: { timeout: millis },
          headersTimeout: millis,
          bodyTimeout: millis,
          maxResponseSize: maxAnswer
        })
    ),
    (open) => Effect.promise(() => open.destroy())
  )
  for (const result of ["sent", "failed", "dropped"]) yield* MetricFamily.zero(exports({ signal: label, result }))
  const count = (result: string) => Metric.update(exports({ signal: label, result }), 1)
  let underWay = 0
  let downSince: number | undefined

  const attempt = (body: string | Uint8Array, contentType: string): Effect.Effect<void, Refused> =>
    Effect.tryPromise({
      try: async (aborted) => {
        const answer = await send(url, {
          method: "POST",
          headers: { ...Redacted.value(headers), "content-type": contentType },
          body,
          dispatcher: agent,
          signal: aborted
        })
        await answer.body.dump({ limit: maxAnswer, signal: aborted })
        return answer.statusCode
      },
      catch: (error): Refused => ({ mayPass: true, detail: codeOf(error) })
    }).pipe(
      Effect.flatMap((status) =>
        status >= 200 && status < 300
          ? Effect.void
          : Effect.fail({ mayPass: transient.includes(status), detail: `it answered ${status}` })
      )
    )

  const failed = Effect.fnUntraced(function* ({ detail }: Refused) {
    yield* count("failed")
    if (downSince !== undefined) return
    downSince = yield* Clock.currentTimeMillis
    yield* Effect.logWarning(
      `The ${label} cannot be sent to ${url.origin}: ${printable(detail, { maxLength: 100 })}. They are dropped until it ` +
        "takes them again; calls go on. This is not said again before that."
    )
  })
  const sent = Effect.gen(function* () {
    yield* count("sent")
    if (downSince === undefined) return
    const seconds = Math.round(((yield* Clock.currentTimeMillis) - downSince) / 1000)
    downSince = undefined
    yield* Effect.logInfo(`${url.origin} takes the ${label} again, after ${seconds} s.`)
  })

  const exported = (request: HttpClientRequest.HttpClientRequest): Effect.Effect<void> => {
    if (request.body._tag !== "Uint8Array") return Effect.void
    const { body, contentType } = request.body
    return attempt(body, contentType).pipe(
      Effect.retry({ while: ({ mayPass }) => mayPass, times: 3, schedule: Schedule.exponential("500 millis") }),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail<Refused>({ mayPass: true, detail: `nothing within ${Duration.format(timeout)}` })
      }),
      Effect.matchEffect({ onFailure: failed, onSuccess: () => sent })
    )
  }

  return HttpClient.make((request) =>
    Effect.suspend(() => {
      if (underWay >= atOnce) return count("dropped")
      underWay += 1
      return Effect.ensuring(
        exported(request),
        Effect.sync(() => (underWay -= 1))
      )
    }).pipe(Effect.as(HttpClientResponse.fromWeb(request, new Response(null, { status: 204 }))))
  )
})

/** What went wrong on the way, without the words of whoever answered. */
const codeOf = (error: unknown): string => {
  const { code, cause } = Object(error) as { readonly code?: unknown; readonly cause?: { readonly code?: unknown } }
  const found = code ?? cause?.code
  return typeof found === "string" ? found : "the connection failed"
}
