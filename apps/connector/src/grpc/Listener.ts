/**
 * The sockets of the server: it takes connections, by TLS where that is configured, and gives them to gRPC. There are not
 * more of them than the memory is good for; when it is too many, whoever has most loses one.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { chmodSync, lstatSync, unlinkSync } from "node:fs"
import { connect, createServer, type Server, type Socket } from "node:net"
import * as Address from "./Address.ts"
import type * as ServerTls from "./ServerTls.ts"

/**
 * The server could not listen.
 */
export class ListenFailed extends Data.TaggedError("ListenFailed")<{
  readonly address: string
  readonly detail: string
}> {
  override get message() {
    return (
      `Cannot listen on ${this.address}: ${this.detail}. ` +
      (this.address.startsWith("unix:")
        ? "Is another process using the socket, and may this one write to its directory? Choose another with --listen."
        : "Is another process using the port? Choose another with --port.")
    )
  }
}

/**
 * How many connections there may be at once, at 20 KB each. Flyte has one or two.
 */
export const MaxConnections = Context.Reference<number>("@flyte-databricks/connector/grpc/MaxConnections", {
  defaultValue: () => 1000
})

// Whoever shares a volume and its group with the connector may connect, and nobody else.
const socketMode = 0o660

/**
 * Listens for as long as the scope is open, and gives each connection that is ready for gRPC to `take`. The answer is
 * where it listens: a port of its own where none was asked for.
 */
export const listen = Effect.fnUntraced(function* (
  address: Address.Address,
  tls: Option.Option<ServerTls.ServerTls>,
  take: (connection: Socket) => void
): Effect.fn.Return<Address.Address, ListenFailed, Scope.Scope> {
  const admit = admission(yield* MaxConnections)
  const begin = Option.isNone(tls) ? take : tls.value(take)
  const server = createServer({ noDelay: true }, (connection) => {
    connection.on("error", () => undefined)
    admit(connection)
    begin(connection)
  })
  if (address._tag === "Unix") yield* removeStale(address.path)
  yield* Effect.acquireRelease(bind(server, address), () => Effect.sync(() => server.close()))
  const bound = server.address()
  return address._tag === "Tcp" && typeof bound === "object" && bound !== null
    ? Address.Tcp({ host: address.host, port: bound.port })
    : address
})

const bind = (server: Server, address: Address.Address) =>
  Effect.callback<void, ListenFailed>((resume) => {
    const failed = ({ message }: Error) =>
      resume(Effect.fail(new ListenFailed({ address: Address.show(address), detail: message })))
    server.once("error", failed)
    const listening = () => {
      server.off("error", failed)
      // A connection that could not be accepted, for want of descriptors as a rule, is that client's loss alone.
      server.on("error", () => undefined)
      if (address._tag === "Unix") chmodSync(address.path, socketMode)
      resume(Effect.void)
    }
    if (address._tag === "Unix") server.listen({ path: address.path }, listening)
    else server.listen({ host: address.host, port: address.port }, listening)
  })

// A process that was killed leaves its socket, on which nobody answers. Nobody answers on another file either.
const removeStale = (path: string) =>
  Effect.callback<void>((resume) => {
    const probe = connect({ path })
    probe.on("connect", () => {
      probe.destroy()
      resume(Effect.void)
    })
    probe.on("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "ECONNREFUSED" && lstatSync(path, { throwIfNoEntry: false })?.isSocket()) unlinkSync(path)
      resume(Effect.void)
    })
  })

/** Remembers who is connected, and makes room where there is none. */
const admission = (limit: number) => {
  const byPeer = new Map<string, Set<Socket>>()
  let count = 0
  return (connection: Socket): void => {
    const peer = connection.remoteAddress ?? "local"
    const own = byPeer.get(peer) ?? new Set()
    byPeer.set(peer, own.add(connection))
    count += 1
    connection.once("close", () => {
      count -= 1
      own.delete(connection)
      if (own.size === 0) byPeer.delete(peer)
    })
    if (count <= limit) return
    let most = own
    for (const connections of byPeer.values()) if (connections.size > most.size) most = connections
    const [oldest = connection] = most
    oldest.destroy()
  }
}
