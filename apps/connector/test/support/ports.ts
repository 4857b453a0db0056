/** Ports of loopback. */
import { Effect } from "effect"
import { createServer } from "node:net"

/** One that nothing listens on. */
export const free = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})
