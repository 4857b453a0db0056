/**
 * What both emulators stand on: an HTTP or HTTPS server on loopback that records requests, plays faults and serves the
 * admin routes beside the emulated API.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as ByteSize from "effect/ByteSize"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Https from "node:https"
import type * as Net from "node:net"
import * as Certificates from "./Certificates.ts"
import { EmulatorError, FileNotWritten, ListenFailed } from "./EmulatorError.ts"
import * as Faults from "./Faults.ts"
import { adminPrefix, commonAdminRoutes, routesListed } from "./internal/commonAdminRoutes.ts"
import { faultResponse } from "./internal/faultResponse.ts"
import * as RequestLog from "./RequestLog.ts"

/** Where an emulator listens and how much it remembers. */
export interface ServerOptions {
  /** The port; 0, the default, takes a free one. */
  readonly port?: number | undefined
  /** The address to listen on; by default `127.0.0.1`. */
  readonly host?: string | undefined
  /**
   * HTTPS with a certificate made on the spot; `caFile` is where the CA's PEM is written, `names` are host names that the
   * certificate is for beside those of loopback. Without it: HTTP.
   */
  readonly tls?:
    | boolean
    | { readonly caFile?: string | undefined; readonly names?: ReadonlyArray<string> | undefined }
    | undefined
  /** How many requests the record keeps; by default 1,000. */
  readonly recordedRequests?: number | undefined
  /** Fault rules in force from the start. */
  readonly faults?: ReadonlyArray<Faults.FaultRule> | undefined
}

/** A running emulator, as far as both kinds are alike. */
export interface RunningServer {
  /** Where clients find it, without a trailing slash. */
  readonly url: string
  /** The PEM of the authority to trust; `undefined` over HTTP. */
  readonly caPem: string | undefined
  readonly faults: Faults.Faults
  readonly requests: RequestLog.RequestLog
}

/** A route whose handler deals with its own errors. */
export type EmulatorRoute = HttpRouter.Route<never, never>

const bodyLimit = ByteSize.fromInputUnsafe("10 MB")

/** Writes a file that clients of an emulator need, with this mode; a failure names the path and what it was for. */
export const writeClientFile = Effect.fnUntraced(function* (path: string, what: string, content: string, mode: number) {
  const files = yield* FileSystem.FileSystem
  yield* files
    .writeFileString(path, content, { mode })
    .pipe(Effect.mapError((cause) => new EmulatorError({ reason: new FileNotWritten({ path, what, cause }) })))
}, Effect.provide(NodeFileSystem.layer))

/** Starts the server; it stops, with all its connections, when the scope closes. */
export const start = Effect.fnUntraced(function* (
  options: ServerOptions & {
    readonly routes: (server: RunningServer) => ReadonlyArray<EmulatorRoute>
    readonly adminRoutes: (server: RunningServer) => ReadonlyArray<EmulatorRoute>
    readonly notFound: (request: {
      readonly method: string
      readonly path: string
    }) => HttpServerResponse.HttpServerResponse
    readonly errorBody: (status: number) => unknown
  }
): Effect.fn.Return<RunningServer, EmulatorError, Scope.Scope> {
  const host = options.host ?? "127.0.0.1"
  const port = options.port ?? 0
  const tls = options.tls === true ? {} : options.tls === false ? undefined : options.tls
  const certificate = tls === undefined ? undefined : yield* Certificates.certificateFor(tls.names ?? [])
  if (certificate !== undefined && tls?.caFile !== undefined) {
    yield* writeClientFile(tls.caFile, "CA certificate", certificate.caPem, 0o644)
  }

  const nodeServer =
    certificate === undefined
      ? Http.createServer()
      : Https.createServer({ key: certificate.privateKeyPem, cert: certificate.certificatePem })
  const connections = trackConnections(nodeServer)
  const server = yield* NodeHttpServer.make(() => nodeServer, { host, port, disablePreemptiveShutdown: true }).pipe(
    Effect.mapError((error) => new EmulatorError({ reason: new ListenFailed({ host, port, cause: error.cause }) }))
  )

  const { faults, next } = Faults.make()
  yield* Effect.forEach(options.faults ?? [], faults.add)
  const { log, record } = RequestLog.make(options.recordedRequests ?? 1000)
  const running: RunningServer = {
    url: `${certificate === undefined ? "http" : "https"}://${clientAddress(nodeServer)}`,
    caPem: certificate?.caPem,
    faults,
    requests: log
  }

  const api = yield* application(options.routes(running), options.notFound)
  const adminRoutes = [...commonAdminRoutes(running), ...options.adminRoutes(running)]
  const admin = yield* application([...adminRoutes, routesListed(adminRoutes)], ({ method, path }) =>
    HttpServerResponse.jsonUnsafe({ error: `No admin route ${method} ${path}` }, { status: 404 })
  )

  const handle = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const { path, query } = splitUrl(request.url)
    if (path === adminPrefix || path.startsWith(`${adminPrefix}/`)) return yield* admin
    const body = yield* request.text
    const recorded = yield* record({ method: request.method, path, query, headers: { ...request.headers }, body })
    const action = yield* next(recorded)
    if (action === undefined) return yield* api
    return yield* faultResponse(action, {
      request,
      answer: api,
      errorBody: options.errorBody,
      rawSocket: connections.rawSocket
    })
  }).pipe(
    Effect.catchTag("HttpServerError", () =>
      Effect.succeed(HttpServerResponse.jsonUnsafe(options.errorBody(413), { status: 413 }))
    ),
    Effect.flatMap(dated),
    Effect.provideService(HttpServerRequest.MaxBodySize, bodyLimit),
    // So that what a fault holds up ends when its client goes away or the emulator stops.
    Effect.interruptible
  )
  yield* server.serve(handle)
  yield* Effect.addFinalizer(() => connections.close)
  return running
})

/** By the clock that everything else here goes by, which may be faster than Node.js's. */
const dated = (response: HttpServerResponse.HttpServerResponse) =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    response.headers["date"] === undefined
      ? HttpServerResponse.setHeader(response, "date", new Date(now).toUTCString())
      : response
  )

const splitUrl = (url: string) => {
  const mark = url.indexOf("?")
  return mark < 0 ? { path: url, query: "" } : { path: url.slice(0, mark), query: url.slice(mark + 1) }
}

/** Where a client on this machine finds a server that listens on `host`. */
const clientAddress = (server: Net.Server) => {
  const { address, port } = server.address() as Net.AddressInfo
  const host = address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
}

const application = Effect.fnUntraced(function* (
  routes: ReadonlyArray<EmulatorRoute>,
  notFound: (request: { readonly method: string; readonly path: string }) => HttpServerResponse.HttpServerResponse
) {
  const router = yield* HttpRouter.make.pipe(Effect.provideService(HttpRouter.RouterConfig, { maxParamLength: 1024 }))
  yield* router.addAll(routes)
  // Handlers deal with their own errors: what fails here is that no route matched.
  return router
    .asHttpEffect()
    .pipe(
      Effect.catch(() =>
        Effect.map(HttpServerRequest.HttpServerRequest, (request) =>
          notFound({ method: request.method, path: splitUrl(request.url).path })
        )
      )
    )
})

/** Knows all TCP connections: to end them at shutdown, and to find the one below a TLS socket. */
const trackConnections = (server: Http.Server | Https.Server) => {
  const sockets = new Set<Net.Socket>()
  let closing = false
  server.on("connection", (socket: Net.Socket) => {
    if (closing) return socket.destroy()
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  return {
    /** Stops at once: an endless or held response would never end by itself. */
    close: Effect.callback<void>((resume) => {
      closing = true
      server.close(() => resume(Effect.void))
      sockets.forEach((socket) => socket.destroy())
    }),
    rawSocket: (socket: Net.Socket) =>
      [...sockets].find((raw) => raw.remotePort === socket.remotePort && raw.remoteAddress === socket.remoteAddress) ??
      socket
  }
}
