/** Requests that no client of Flyte's makes, by their bytes, and connections that send them as they like. */
import { toBinary } from "@bufbuild/protobuf"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { Effect } from "effect"
import * as Http2 from "node:http2"
import { connect } from "node:net"
import * as tasks from "../../support/tasks.ts"
import { field } from "../../support/wire.ts"

const agent = "/flyteidl.service.AsyncAgentService"
export const paths = {
  create: `${agent}/CreateTask`,
  get: `${agent}/GetTask`,
  logs: `${agent}/GetTaskLogs`
}

/** A task as Flyte sends it. */
export const task = (options: tasks.TaskOptions = {}): Uint8Array =>
  toBinary(Flyte1.CreateTaskRequestSchema, tasks.createTask(options))

/** The same with a list of so many `{}` in `custom`: four bytes each on the wire. */
export const taskWithValues = (count: number, options: tasks.TaskOptions = {}): Buffer => {
  const list = Buffer.alloc(count * 4)
  for (let n = 0; n < count; n++) list.set([0x0a, 2, 0x2a, 0], n * 4)
  const entry = Buffer.concat([field(1, Buffer.from("padding")), field(2, field(6, list))])
  // A message that comes twice is merged.
  return Buffer.concat([task(options), field(2, field(5, field(1, entry)))])
}

const taskCategory = { name: "databricks" }
const metaBytes = (meta: Readonly<Record<string, unknown>>) => new TextEncoder().encode(JSON.stringify(meta))

/** A poll with any metadata. */
export const poll = (meta: Readonly<Record<string, unknown>>): Uint8Array => pollOf(metaBytes(meta))

/** A poll with these bytes for metadata. */
export const pollOf = (resourceMeta: Uint8Array): Uint8Array =>
  toBinary(Flyte1.GetTaskRequestSchema, {
    $typeName: "flyteidl.admin.GetTaskRequest",
    taskType: "databricks",
    taskCategory: { $typeName: "flyteidl.admin.TaskCategory", version: 0, ...taskCategory },
    outputPrefix: "",
    resourceMeta
  })

/** A request for logs with any metadata and page token. */
export const logs = (meta: Readonly<Record<string, unknown>>, token = "", lines = 0n): Uint8Array =>
  toBinary(Flyte1.GetTaskLogsRequestSchema, {
    $typeName: "flyteidl.admin.GetTaskLogsRequest",
    taskType: "databricks",
    taskCategory: { $typeName: "flyteidl.admin.TaskCategory", version: 0, ...taskCategory },
    resourceMeta: metaBytes(meta),
    lines,
    token
  })

/** A connection, open for as long as the scope is. It survives that the other side ends. */
export const connection = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const session = Http2.connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 2000 })
      session.on("error", () => undefined)
      session.setMaxListeners(0)
      return session
    }),
    (session) => Effect.sync(() => session.destroy())
  )

/** Opens a call and sends nothing yet. */
export const open = (session: Http2.ClientHttp2Session, path: string, headers: Http2.OutgoingHttpHeaders = {}) => {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    // Flyte's.
    "grpc-timeout": "10S",
    ...headers
  })
  stream.on("error", () => undefined)
  stream.resume()
  return stream
}

/** A message as gRPC frames it. */
export const framed = (message: Uint8Array): Buffer => {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** The number of the status that a call ends with; -1 where the connection went first. */
export const status = (stream: Http2.ClientHttp2Stream) =>
  Effect.callback<number>((resume) => {
    const told = (headers: Readonly<Record<string, unknown>>) => {
      if (headers["grpc-status"] !== undefined) resume(Effect.succeed(Number(headers["grpc-status"])))
    }
    stream.on("response", told)
    stream.on("trailers", told)
    stream.on("close", () => resume(Effect.succeed(-1)))
  })

// Flyte's clients go by their own deadline of ten seconds, whatever they hear.
const patience = "20 seconds"

/** A whole call: the number of its status; -2 where none came. */
export const call = (session: Http2.ClientHttp2Session, path: string, message: Uint8Array) =>
  Effect.suspend(() => {
    if (session.destroyed || session.closed) return Effect.succeed(-1)
    const stream = open(session, path)
    stream.end(framed(message))
    return status(stream).pipe(
      Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.sync(() => (stream.close(), -2)) })
    )
  })

/** A frame of HTTP/2 (RFC 9113 §4.1). */
const frame = (type: number, flags: number, stream: number, payload: Uint8Array): Buffer => {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Frames that a server has to answer, or to keep, and that cost their sender nothing; the first begins a request. */
export const floods: Readonly<Record<string, Buffer>> = {
  pings: frame(6, 0, 0, Buffer.alloc(8)),
  settings: frame(4, 0, 0, Buffer.alloc(0)),
  priorities: frame(2, 0, 1, Buffer.alloc(5, 0).fill(3, 3)),
  windowUpdates: frame(8, 0, 0, Buffer.from([0, 0, 0, 1])),
  // HEADERS without an end, and what goes on from there.
  continuations: Buffer.concat([
    frame(1, 0, 1, Buffer.alloc(16, 0x82)),
    ...Array(100).fill(frame(9, 0, 1, Buffer.alloc(1000, 0x82)))
  ])
}

const floodBytes = 16 * 1024 * 1024

/** Sends a frame over and over; gives how many MB were taken before the connection was ended. */
export const flood = (port: number, frames: Buffer) =>
  Effect.callback<number>((resume) => {
    const piece = Buffer.concat(Array<Buffer>(Math.ceil((64 * 1024) / frames.length)).fill(frames))
    const socket = connect(port, "127.0.0.1")
    let sent = 0
    const done = () => (socket.destroy(), resume(Effect.succeed(Math.round(sent / 1024 / 1024))))
    const go = () => {
      while (sent < floodBytes) {
        sent += piece.length
        if (!socket.write(piece)) return socket.once("drain", go)
      }
      return socket.end()
    }
    socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), floods["settings"]!]))
    socket
      .on("error", () => undefined)
      .on("close", done)
      .resume()
    socket.setTimeout(5000, done)
    go()
  })
