/** gRPC without a gRPC client: a client that does as it likes. */
import * as Grpc from "@grpc/grpc-js"
import { Effect } from "effect"
import * as Http2 from "node:http2"

/** A connection, open for as long as the scope is. */
export const session = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => Http2.connect(`http://127.0.0.1:${port}`)),
    (open) => Effect.sync(() => open.destroy())
  )

/** Sends a request whole; without further headers it has no deadline. */
export const send = (
  open: Http2.ClientHttp2Session,
  path: string,
  message: Uint8Array,
  headers: Readonly<Record<string, string>> = {}
): Http2.ClientHttp2Stream => {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt8("grpc-encoding" in headers ? 1 : 0)
  prefix.writeUInt32BE(message.length, 1)
  const common = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" }
  const stream = open.request({ ...common, ...headers })
  stream.on("error", () => undefined)
  stream.end(Buffer.concat([prefix, message]))
  return stream
}

/** The status that a request ends with. */
export const statusOf = (stream: Http2.ClientHttp2Stream) =>
  Effect.callback<string>((resume) => {
    const told = (headers: Readonly<Record<string, unknown>>) => {
      const code = Number(headers["grpc-status"])
      if (!Number.isNaN(code)) resume(Effect.succeed(Grpc.status[code] ?? ""))
    }
    stream.on("response", told)
    stream.on("trailers", told)
    stream.on("close", () => resume(Effect.succeed("closed")))
    stream.resume()
  })
