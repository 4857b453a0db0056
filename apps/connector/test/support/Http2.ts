/** gRPC without a gRPC client: a client that does as it likes. */
import * as Grpc from "@grpc/grpc-js"
import { Effect } from "effect"
import * as Http2 from "node:http2"

/** A connection, for whoever closes it. */
export const connect = (port: number): Http2.ClientHttp2Session => {
  const open = Http2.connect(`http://127.0.0.1:${port}`)
  open.on("error", () => undefined)
  return open
}

/** A connection, open for as long as the scope is. */
export const session = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => connect(port)),
    (open) => Effect.sync(() => open.destroy())
  )

/** Begins a request, and sends nothing of it; without further headers it has no deadline. */
export const begin = (
  open: Http2.ClientHttp2Session,
  path: string,
  headers: Readonly<Record<string, string>> = {}
): Http2.ClientHttp2Stream => {
  const common = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" }
  const stream = open.request({ ...common, ...headers })
  stream.on("error", () => undefined)
  return stream
}

/** A message as it is sent. */
export const framed = (message: Uint8Array, isPacked = false): Buffer => {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt8(isPacked ? 1 : 0)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** Sends a request whole. */
export const send = (
  open: Http2.ClientHttp2Session,
  path: string,
  message: Uint8Array,
  headers: Readonly<Record<string, string>> = {}
): Http2.ClientHttp2Stream => {
  const stream = begin(open, path, headers)
  stream.end(framed(message, "grpc-encoding" in headers))
  return stream
}

/** Waits until all that was written to a stream has arrived: the answer to a ping comes after it. */
export const written = (stream: Http2.ClientHttp2Stream) =>
  Effect.callback<void>((resume) => {
    const ping = () => stream.session?.ping(() => resume(Effect.void))
    if (stream.writableNeedDrain) stream.once("drain", ping)
    else ping()
  })

/** Waits until a stream is closed. */
export const closed = (stream: Http2.ClientHttp2Stream) =>
  Effect.callback<void>((resume) => {
    if (stream.closed) resume(Effect.void)
    else stream.once("close", () => resume(Effect.void))
  })

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
