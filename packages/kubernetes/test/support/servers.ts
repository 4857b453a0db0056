/**
 * Servers below what the emulator shows: sockets, and answers that no Kubernetes gives.
 */
import { listening } from "@flyte-databricks/emulators/testing/Network"
import { Deferred, Effect } from "effect"
import * as Http from "node:http"
import * as Net from "node:net"

/** A relay that counts the connections it takes for another server; TLS passes through it. */
export const relay = Effect.fnUntraced(function* (target: string) {
  const { port: targetPort } = new URL(target)
  const open = new Set<Net.Socket>()
  let accepted = 0
  const closed = yield* Deferred.make<void>()
  const server = Net.createServer((socket) => {
    accepted++
    open.add(socket)
    const upstream = Net.connect(Number(targetPort), "127.0.0.1")
    socket.once("close", () => {
      open.delete(socket)
      upstream.destroy()
      if (open.size === 0) Deferred.doneUnsafe(closed, Effect.void)
    })
    upstream.once("close", () => socket.destroy())
    socket.on("error", () => upstream.destroy())
    upstream.on("error", () => socket.destroy())
    socket.pipe(upstream).pipe(socket)
  })
  const port = yield* listening(server)
  return {
    url: target.replace(targetPort, `${port}`),
    accepted: Effect.sync(() => accepted),
    open: Effect.sync(() => open.size),
    /** Completes when the last connection that was open is closed. */
    allClosed: Deferred.await(closed)
  }
})

/** An HTTP server that answers as the handler says. */
export const httpServer = Effect.fnUntraced(function* (handler: Http.RequestListener) {
  const server = Http.createServer(handler)
  const port = yield* listening(server)
  return { server, url: `http://127.0.0.1:${port}` }
})
