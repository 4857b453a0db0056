/** gRPC without a gRPC client: a client that does as it likes. */
import { Effect } from "effect"
import * as Http2 from "node:http2"

/** A connection, open for as long as the scope is. */
export const session = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => Http2.connect(`http://127.0.0.1:${port}`)),
    (open) => Effect.sync(() => open.destroy())
  )

/** Sends a request whole, without a deadline. */
export const send = (open: Http2.ClientHttp2Session, path: string, message: Uint8Array): Http2.ClientHttp2Stream => {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  const stream = open.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" })
  stream.on("error", () => undefined)
  stream.end(Buffer.concat([prefix, message]))
  return stream
}
