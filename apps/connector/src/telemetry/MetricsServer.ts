/**
 * Where Prometheus reads the metrics, on a port of its own as Flyte's own connector has it: `GET /metrics`. Beside it is
 * how the connector is doing, for people: `/` and `/statusz`.
 */
import type { ConnectorSecrets } from "@flyte-databricks/databricks-auth"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { createServer, type IncomingMessage } from "node:http"
import * as Metrics from "./Metrics.ts"
import * as Statusz from "./Statusz.ts"

interface Page {
  readonly status: number
  readonly type: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

const plain = (status: number, body: string): Page => ({ status, type: "text/plain; charset=utf-8", body })

const refusals = {
  401: {
    ...plain(401, `The states of tokens are shown to the bearer of ${Statusz.tokenName}.\n`),
    headers: { "www-authenticate": "Bearer" }
  },
  403: plain(
    403,
    `The states of tokens are shown to loopback (kubectl port-forward) alone, or to the bearer of ${Statusz.tokenName}, which is not set.\n`
  )
}

const statusz = Effect.fnUntraced(function* (
  request: IncomingMessage,
  url: URL,
  startedAt: number,
  health: string,
  token: Effect.Effect<Option.Option<Redacted.Redacted<string>>>
): Effect.fn.Return<Page> {
  const status = Statusz.admit(request, yield* token)
  if (status !== 200) return refusals[status]
  const body = `${JSON.stringify(yield* Statusz.statusz(startedAt, health, url.searchParams))}\n`
  return { status, type: "application/json; charset=utf-8", body, headers: { "cache-control": "no-store" } }
})

/**
 * Serves for as long as the scope is open; on port 0 not at all. If it cannot, it logs a warning: metrics are no reason
 * for tasks to fail.
 */
export const serve = Effect.fnUntraced(function* (
  host: string,
  port: number,
  secrets: ConnectorSecrets.ConnectorSecrets["Service"],
  health: Effect.Effect<string>
): Effect.fn.Return<void, never, Scope.Scope> {
  // One that cannot be read lets nobody in.
  const token = Effect.orElseSucceed(Statusz.token(secrets), () => Option.none())
  // Without a port too it is a variable of the connector, and a secret.
  yield* token
  if (port === 0) return
  const services = yield* Effect.context<never>()
  const startedAt = yield* Clock.currentTimeMillis

  const answer = (request: IncomingMessage): Effect.Effect<Page> => {
    const url = URL.parse(request.url ?? "/", "http://localhost")
    switch (request.method === "GET" ? url?.pathname : undefined) {
      case "/metrics":
        return Effect.sync(() => ({
          status: 200,
          type: "text/plain; version=0.0.4; charset=utf-8",
          body: Metrics.prometheus(services)
        }))
      case "/statusz":
        return Effect.flatMap(health, (health) =>
          statusz(request, url ?? new URL("http://localhost"), startedAt, health, token)
        )
      case "/":
        return Effect.map(Effect.all([Clock.currentTimeMillis, health]), ([now, health]) => ({
          status: 200,
          type: "text/html; charset=utf-8",
          body: Statusz.index(startedAt, now, health),
          headers: { "content-security-policy": "default-src 'none'" }
        }))
      default:
        return Effect.succeed(plain(404, "Metrics are at /metrics.\n"))
    }
  }

  const server = createServer((request, response) => {
    Effect.runCallbackWith(services)(answer(request), {
      onExit: (exit) => {
        const { body, headers, status, type } =
          exit._tag === "Success" ? exit.value : plain(500, "The page could not be made; the log has more.\n")
        response.writeHead(status, { "content-type": type, "x-content-type-options": "nosniff", ...headers })
        response.end(body)
      }
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void, Error>((resume) => {
      server.once("error", (error) => resume(Effect.fail(error)))
      server.listen(port, host, () => resume(Effect.void))
    }),
    () => Effect.sync(() => (server.closeAllConnections(), server.close()))
  ).pipe(
    Effect.catch(({ message }) =>
      Effect.logWarning(
        `Metrics are not served: ${message}. Choose another port with --prometheus_port, or 0 for none.`
      )
    )
  )
})
