/**
 * The gRPC server's life. It listens and answers for the registry from the first moment to the last: one poll of it that
 * fails empties Flyte's, and running tasks are lost. It says SERVING between the two, and before it ends it lets calls
 * under way finish.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Address from "./Address.ts"
import type * as Door from "./Door.ts"
import * as Health from "./Health.ts"
import * as Listener from "./Listener.ts"
import * as Requests from "./Requests.ts"
import * as Sampled from "./Sampled.ts"
import * as UnderWay from "./UnderWay.ts"
import * as Unread from "./Unread.ts"

/**
 * A service and its handlers.
 */
export interface Service {
  /** Its full name, under which health is reported. */
  readonly name: string
  /** Whether it answers at once, from memory: then it answers also while nothing else can be taken. */
  readonly kind?: "light"
  readonly addTo: (server: Pick<Grpc.Server, "addService">) => void
}

/**
 * Where the server listens, and what it lets in.
 */
export interface Options {
  readonly host: string
  readonly port: number
  /** Where it listens instead. */
  readonly address?: Address.Address
  /** The largest request, in bytes. */
  readonly maxMessageBytes: number
  /** How many calls one connection may have under way. */
  readonly maxConcurrentStreams: number
  /** After this, clients are asked to connect anew: that is how they find replicas that came later. */
  readonly maxConnectionAge: Duration.Duration
  /** How long the server goes on as before once it is told to stop: as long as others may take to hear of it. */
  readonly drainDelay: Duration.Duration
  /** How long it may take to end, that delay included. */
  readonly drainTimeout: Duration.Duration
}

/**
 * A server that is listening.
 */
export class Server extends Context.Service<
  Server,
  {
    /** Zero for a socket in the file system. */
    readonly port: number
    readonly address: Address.Address
    /** What is said of its health. */
    readonly health: Effect.Effect<Health.Status>
  }
>()("@flyte-databricks/connector/grpc/Server") {}

/**
 * A server that listens and does not say SERVING yet.
 */
export interface Listening extends Context.Service.Shape<typeof Server> {
  /** Says SERVING until the scope closes, then lets calls under way finish. */
  readonly serve: Effect.Effect<void, never, Scope.Scope>
}

/**
 * Listens for as long as the scope is open.
 */
export const listen = Effect.fnUntraced(function* (
  options: Options,
  services: ReadonlyArray<Service>,
  door: Door.Door
): Effect.fn.Return<Listening, Listener.ListenFailed, Scope.Scope> {
  const requests = yield* Requests.make(options.maxMessageBytes)
  const server = new Grpc.Server({
    "grpc.max_receive_message_length": options.maxMessageBytes,
    "grpc.max_concurrent_streams": options.maxConcurrentStreams,
    "grpc.max_connection_age_ms": Duration.toMillis(options.maxConnectionAge),
    "grpc.max_connection_age_grace_ms": Duration.toMillis(connectionAgeGrace),
    interceptors: [
      Unread.logged(Sampled.make(yield* Effect.context<never>())),
      requests.interceptor,
      door.callers.interceptor
    ]
  })
  yield* Effect.forkScoped(requests.watch)
  const underWay = UnderWay.make(server)
  const health = Health.addTo(
    requests.reading(server, "light"),
    services.map(({ name }) => name)
  )
  for (const { addTo, kind } of services) {
    const counted = requests.reading(underWay.counting, kind)
    addTo(kind === "light" ? counted : door.callers.guarding(counted))
  }

  const connections = server.createConnectionInjector(Grpc.ServerCredentials.createInsecure())
  yield* Effect.addFinalizer(() => Effect.sync(() => server.forceShutdown()))
  const { host, port } = options
  const address = yield* Listener.listen(options.address ?? Address.Tcp({ host, port }), door.tls, (connection) =>
    connections.injectConnection(connection)
  )
  yield* door.warning(address)

  const drain = Effect.gen(function* () {
    const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(options.drainTimeout)
    yield* Effect.sleep(Duration.min(options.drainDelay, options.drainTimeout))
    // Connections are asked to go; whoever comes anew until the last call has ended is served all the same.
    connections.drain(until - (yield* Clock.currentTimeMillis) + afterAll)
    yield* underWay.none
    yield* requests.endUnfinished
    health.endWatches()
    yield* shutdown(server)
  })

  const stop = drain.pipe(
    Effect.interruptible,
    Effect.timeoutOrElse({
      duration: options.drainTimeout,
      orElse: () =>
        Effect.logWarning(`Calls were still under way after ${Duration.format(options.drainTimeout)}; they are cut off`)
    })
  )
  return {
    port: address._tag === "Tcp" ? address.port : 0,
    address,
    health: Effect.sync(health.current),
    serve: Effect.acquireRelease(
      Effect.sync(() => health.set("SERVING")),
      () =>
        Effect.andThen(
          Effect.sync(() => health.set("NOT_SERVING")),
          stop
        )
    )
  }
})

// By then the calls were cut off by the drain timeout, which says so.
const afterAll = 1000

// Longer than any call may take whose caller sets no deadline.
const connectionAgeGrace = Duration.minutes(2)

const shutdown = (server: Grpc.Server) =>
  Effect.callback<void>((resume) => {
    server.tryShutdown(() => resume(Effect.void))
  })
