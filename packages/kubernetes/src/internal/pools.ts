/**
 * One pool of connections for all requests. The library would open a connection per request as soon as TLS options
 * exist. A pool belongs to its TLS options: a renewed client certificate gets a pool of its own, and the old one ends
 * when its last request has.
 */
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import { Agent, type Dispatcher, ProxyAgent } from "undici"
import type { Transport } from "./credentials.ts"

const bounds = {
  // More requests than this wait their turn, so that a burst of submits does not become a burst on the API server.
  connections: 16,
  // The API server closes idle connections after 90 seconds, common load balancers after 60.
  keepAliveTimeout: 30_000,
  // Nothing was sent by then: there is time to knock again within a call of ten seconds.
  connectTimeout: 3000,
  // A redirect to another host is an error.
  maxOrigins: 1,
  allowH2: false
}

// HTTPS_PROXY is not applied: the API server is reached directly, or through the proxy that the kubeconfig names.
// Certificates are verified unless the kubeconfig itself says otherwise: NODE_TLS_REJECT_UNAUTHORIZED does not count.
const verified = { rejectUnauthorized: true }

const dispatcher = ({ tls, proxyUrl }: Transport): Dispatcher =>
  proxyUrl === undefined
    ? new Agent({ ...bounds, connect: { ...verified, ...tls, keepAlive: true, keepAliveInitialDelay: 30_000 } })
    : new ProxyAgent({
        ...bounds,
        uri: proxyUrl,
        requestTls: { ...verified, ...tls },
        // Else undici speaks HTTP/2 with a proxy that offers it, and tunnels nothing.
        proxyTls: { ...verified, allowH2: false }
      })

/** Pools by how to connect; all are closed with the scope. */
export const make = RcMap.make({
  lookup: (transport: Transport) =>
    Effect.acquireRelease(
      Effect.sync(() => dispatcher(transport)),
      (pool) => Effect.promise(() => pool.destroy())
    ),
  idleTimeToLive: "5 minutes"
})
