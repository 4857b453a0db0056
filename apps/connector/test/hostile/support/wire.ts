/** Requests that no client of Flyte's makes, by their bytes, and connections that send them as they like. */
import { toBinary } from "@bufbuild/protobuf"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { Effect } from "effect"
import * as Http2 from "node:http2"
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
export const poll = (meta: Readonly<Record<string, unknown>>): Uint8Array =>
  toBinary(Flyte1.GetTaskRequestSchema, {
    $typeName: "flyteidl.admin.GetTaskRequest",
    taskType: "databricks",
    taskCategory: { $typeName: "flyteidl.admin.TaskCategory", version: 0, ...taskCategory },
    outputPrefix: "",
    resourceMeta: metaBytes(meta)
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

/** A whole call: the number of its status. */
export const call = (session: Http2.ClientHttp2Session, path: string, message: Uint8Array) =>
  Effect.suspend(() => {
    if (session.destroyed || session.closed) return Effect.succeed(-1)
    const stream = open(session, path)
    stream.end(framed(message))
    return status(stream)
  })
