/**
 * Callers of a connector: each sends its next call when the last was answered. They speak HTTP/2 themselves, because a
 * gRPC client costs as much as a connector does, and would be what is measured.
 */
import { type ClientHttp2Session, connect } from "node:http2"

export interface Load {
  readonly callers: number
  /** How long calls count, after a warm-up of half a second. */
  readonly seconds: number
}

export interface Throughput {
  /** Of them all, those of the warm-up too. */
  readonly calls: number
  /** Those that were answered while the phase lasted. */
  readonly callsPerSecond: number
  /** Of them all, those that were not answered well. */
  readonly failed: number
  /** In milliseconds, of all that were answered after the warm-up. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

/** A message as gRPC frames it: not compressed, then its length. */
const framed = (message: Uint8Array): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

const call = (session: ClientHttp2Session, path: string, body: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      "grpc-timeout": "30S"
    })
    const chunks: Array<Buffer> = []
    let status: unknown
    let details: unknown
    const note = (headers: Record<string, unknown>) => {
      status = headers["grpc-status"] ?? status
      details = headers["grpc-message"] ?? details
    }
    stream.on("response", note)
    stream.on("trailers", note)
    stream.on("data", (chunk: Buffer) => chunks.push(chunk))
    stream.on("error", reject)
    // A connection that is closed ends its calls without an error.
    stream.on("close", () => reject(new Error(`${path} was not answered`)))
    stream.on("end", () => {
      if (status === "0") resolve(Buffer.concat(chunks).subarray(5))
      else reject(new Error(`${path} answered ${String(status)}: ${decodeURIComponent(String(details))}`))
    })
    stream.end(body)
  })

const open = (port: number): Promise<ClientHttp2Session> =>
  new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`)
    session.once("connect", () => resolve(session))
    session.once("error", reject)
  })

/** Makes one call on a connection of its own. */
export const callOnce = async (port: number, path: string, message: Uint8Array): Promise<Buffer> => {
  const session = await open(port)
  try {
    return await call(session, path, framed(message))
  } finally {
    session.destroy()
  }
}

/** Calls one method for a while. */
export const load = async (
  port: number,
  path: string,
  message: () => Uint8Array,
  { callers, seconds }: Load
): Promise<Throughput> => {
  // Flyte keeps a few connections; one per eight callers keeps HTTP/2 flow control out of the figure.
  const sessions = await Promise.all(Array.from({ length: Math.ceil(callers / 8) }, () => open(port)))
  const latencies: Array<number> = []
  let calls = 0
  let answered = 0
  let failed = 0
  const warm = performance.now() + 500
  const end = warm + seconds * 1000
  await Promise.all(
    Array.from({ length: callers }, async (_, index) => {
      const session = sessions[index % sessions.length]!
      for (let start = performance.now(); start < end; start = performance.now()) {
        const isGood = await call(session, path, framed(message())).then(
          () => true,
          () => false
        )
        calls++
        if (!isGood) {
          failed++
          // Who is refused at once would ask again at once.
          await pause(10)
          continue
        }
        const now = performance.now()
        if (now < warm) continue
        latencies.push(now - start)
        if (now < end) answered++
      }
    })
  )
  sessions.forEach((session) => session.destroy())
  return { calls, failed, callsPerSecond: answered / seconds, ...quantiles(latencies) }
}

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

const quantiles = (latencies: Array<number>): Pick<Throughput, "p50" | "p99" | "p999"> => {
  latencies.sort((a, b) => a - b)
  const at = (part: number) => latencies[Math.floor((latencies.length - 1) * part)] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
}

/** Calls at a steady rate, whether or not those before were answered: a latency counts from when the call was due. */
export const steady = async (
  port: number,
  path: string,
  message: () => Uint8Array,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number }
): Promise<Throughput> => {
  let session = await open(port)
  const latencies: Array<number> = []
  const answers: Array<Promise<void>> = []
  let failed = 0
  const begin = performance.now()
  for (let n = 0; n < perSecond * seconds; n++) {
    const due = begin + (n * 1000) / perSecond
    if (performance.now() < due) await pause(due - performance.now())
    // It was asked to go away, as each is after a while. What is under way ends there.
    if (session.closed) session = await open(port)
    answers.push(
      call(session, path, framed(message())).then(
        () => void latencies.push(performance.now() - due),
        () => void failed++
      )
    )
  }
  await Promise.all(answers)
  session.close()
  const elapsed = (performance.now() - begin) / 1000
  return { calls: answers.length, failed, callsPerSecond: latencies.length / elapsed, ...quantiles(latencies) }
}

/** Makes so many calls of one method. */
export const callMany = async (
  port: number,
  path: string,
  message: () => Uint8Array,
  { callers, calls }: { readonly callers: number; readonly calls: number }
): Promise<void> => {
  const sessions = await Promise.all(Array.from({ length: Math.ceil(callers / 8) }, () => open(port)))
  let left = calls
  await Promise.all(
    Array.from({ length: callers }, async (_, index) => {
      while (left-- > 0) await call(sessions[index % sessions.length]!, path, framed(message()))
    })
  )
  sessions.forEach((session) => session.destroy())
}
