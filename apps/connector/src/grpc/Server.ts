/**
 * The gRPC server's life: it listens, says that it does, and on the way out lets calls under way finish.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HealthImplementation } from "grpc-health-check"

/**
 * A service and its handlers.
 */
export interface Service {
  /** Its full name, under which health is reported. */
  readonly name: string
  readonly addTo: (server: Grpc.Server) => void
}

/**
 * Where the server listens, and what it lets in.
 */
export interface Options {
  readonly host: string
  readonly port: number
  /** The largest request, in bytes. */
  readonly maxMessageBytes: number
  /** How many calls one connection may have under way. */
  readonly maxConcurrentStreams: number
  /** How long calls under way may take to finish once the server is told to stop. */
  readonly drainTimeout: Duration.Duration
}

/**
 * The server could not listen.
 */
export class ListenFailed extends Data.TaggedError("ListenFailed")<{
  readonly address: string
  readonly detail: string
}> {
  override get message() {
    return `Cannot listen on ${this.address}: ${this.detail}. Is another process using the port? Choose another with --port.`
  }
}

/**
 * A server that is listening.
 */
export class Server extends Context.Service<Server, { readonly port: number }>()(
  "@flyte-databricks/connector/grpc/Server"
) {}

/**
 * Serves as long as the layer lives. Health is SERVING for the server as a whole, for each service, and for the health
 * service itself: what Flyte's probes ask for.
 */
export const layer = (options: Options, services: ReadonlyArray<Service>): Layer.Layer<Server, ListenFailed> =>
  Layer.effect(
    Server,
    Effect.gen(function* () {
      const names = ["", "grpc.health.v1.Health", ...services.map(({ name }) => name)]
      const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, "SERVING"])))
      const server = new Grpc.Server({
        "grpc.max_receive_message_length": options.maxMessageBytes,
        "grpc.max_concurrent_streams": options.maxConcurrentStreams
      })
      const endWatches = addHealth(server, health)
      for (const service of services) service.addTo(server)

      const port = yield* Effect.acquireRelease(listen(server, options), () =>
        Effect.andThen(
          Effect.sync(() => {
            names.forEach((name) => health.setStatus(name, "NOT_SERVING"))
            endWatches()
          }),
          drain(server, options.drainTimeout)
        )
      )
      return Server.of({ port })
    })
  )

// A watch of health has no end of its own, and the server would wait for one.
const addHealth = (server: Grpc.Server, health: HealthImplementation): (() => void) => {
  const watches = new Set<Grpc.ServerWritableStream<unknown, unknown>>()
  const remembering: Pick<Grpc.Server, "addService"> = {
    addService: (definition, { watch, ...handlers }) =>
      server.addService(definition, {
        ...handlers,
        watch: (call: Grpc.ServerWritableStream<unknown, unknown>) => {
          watches.add(call)
          call.on("cancelled", () => watches.delete(call))
          ;(watch as Grpc.handleServerStreamingCall<unknown, unknown>)(call)
        }
      })
  }
  health.addToServer(remembering as Grpc.Server)
  return () => watches.forEach((call) => call.end())
}

const listen = (server: Grpc.Server, { host, port }: Options) =>
  Effect.callback<number, ListenFailed>((resume) => {
    const address = `${host.includes(":") ? `[${host}]` : host}:${port}`
    // Inside a cluster Flyte speaks to its connectors in plain text; a mesh or a sidecar adds TLS.
    server.bindAsync(address, Grpc.ServerCredentials.createInsecure(), (error, bound) =>
      resume(error === null ? Effect.succeed(bound) : Effect.fail(new ListenFailed({ address, detail: error.message })))
    )
  })

const drain = (server: Grpc.Server, timeout: Duration.Duration) =>
  Effect.callback<void>((resume) => {
    server.tryShutdown(() => resume(Effect.void))
  }).pipe(
    Effect.interruptible,
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () =>
        Effect.andThen(
          Effect.logWarning(`Calls were still under way after ${Duration.format(timeout)}; they are cut off`),
          Effect.sync(() => server.forceShutdown())
        )
    })
  )
