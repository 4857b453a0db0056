/** A host that takes connections and never says a word. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { createServer, type Socket } from "node:net"
import { listening } from "./Network.ts"

/** It knows when a request came, and when it was given up. */
export const silentHost = Effect.gen(function* () {
  const asked = yield* Deferred.make<string>()
  const givenUp = yield* Deferred.make<void>()
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let heard = ""
    socket.on("data", (chunk) => {
      heard += chunk.toString()
      if (heard.includes("\r\n\r\n")) Deferred.doneUnsafe(asked, Effect.succeed(heard))
    })
    socket.on("error", () => undefined)
    socket.on("close", () => Deferred.doneUnsafe(givenUp, Effect.void))
  })
  const port = yield* listening(server)
  return { url: `http://127.0.0.1:${port}`, asked: Deferred.await(asked), givenUp: Deferred.await(givenUp) }
})
