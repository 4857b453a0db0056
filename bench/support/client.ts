/**
 * Callers of a connector: each sends its next call when the last was answered.
 */
import { Client, credentials } from "@grpc/grpc-js"

export interface Load {
  readonly callers: number
  readonly seconds: number
}

export interface Throughput {
  readonly callsPerSecond: number
  readonly p50: number
  readonly p99: number
}

const bytes = (buffer: Buffer) => buffer

/** Calls one method with the same bytes for a while, after a warm-up of a second. */
export const load = async (
  address: string,
  path: string,
  request: Buffer,
  { callers, seconds }: Load
): Promise<Throughput> => {
  // Flyte keeps a few connections; one per eight callers keeps HTTP/2 flow control out of the figure.
  const clients = Array.from(
    { length: Math.ceil(callers / 8) },
    () => new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 })
  )
  const call = (client: Client) =>
    new Promise<void>((resolve, reject) =>
      client.makeUnaryRequest(path, bytes, bytes, request, (error) => (error === null ? resolve() : reject(error)))
    )
  const latencies: Array<number> = []
  const warm = performance.now() + 1000
  const end = warm + seconds * 1000
  await Promise.all(
    Array.from({ length: callers }, async (_, index) => {
      const client = clients[index % clients.length]!
      for (let now = performance.now(); now < end; now = performance.now()) {
        await call(client)
        if (now >= warm) latencies.push(performance.now() - now)
      }
    })
  )
  clients.forEach((client) => client.close())
  latencies.sort((a, b) => a - b)
  const at = (part: number) => latencies[Math.floor((latencies.length - 1) * part)] ?? Number.NaN
  return { callsPerSecond: latencies.length / seconds, p50: at(0.5), p99: at(0.99) }
}
