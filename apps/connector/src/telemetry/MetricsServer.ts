/**
 * Where Prometheus reads the metrics: `GET /metrics` on a port of its own, as Flyte's own connector has it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import * as Metrics from "./Metrics.ts"

/**
 * Serves for as long as the scope is open; on port 0 not at all. If it cannot, it logs a warning: metrics are no reason
 * for tasks to fail.
 */
export const serve = Effect.fnUntraced(function* (
  host: string,
  port: number
): Effect.fn.Return<void, never, Scope.Scope> {
  if (port === 0) return
  const services = yield* Effect.context<never>()
  const server = createServer((request, response) => {
    const found = request.method === "GET" && /^\/(metrics)?(\?|$)/.test(request.url ?? "")
    response.writeHead(found ? 200 : 404, { "content-type": "text/plain; version=0.0.4; charset=utf-8" })
    response.end(found ? Metrics.prometheus(services) : "Metrics are at /metrics.\n")
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
