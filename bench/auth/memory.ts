/**
 * What an identity costs in memory, and a crowd of callers in time.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { Effect, ManagedRuntime } from "effect"
import { authOf, credentialOf } from "./fixture.ts"

const collectGarbage = (): void => {
  setFlagsFromString("--expose-gc")
  const gc: unknown = runInNewContext("gc")
  if (typeof gc === "function") for (let times = 0; times < 3; times++) gc()
}

const heapAfter = async (identities: number): Promise<number> => {
  // The Secrets of all namespaces are there in any case: they are not the cache's.
  const runtime = ManagedRuntime.make(authOf(10_000, Effect.void))
  const { getHeader } = await runtime.runPromise(DatabricksAuth.DatabricksAuth)
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  await runtime.runPromise(
    Effect.forEach(
      Array.from({ length: identities }, (_, index) => index),
      (index) => getHeader(credentialOf(index)),
      { discard: true }
    )
  )
  collectGarbage()
  const used = process.memoryUsage().heapUsed - before
  await runtime.dispose()
  return used
}

/** Bytes per identity: the slope from ten to ten thousand. */
export const bytesPerIdentity = async (): Promise<number> => {
  await heapAfter(10)
  const few = await heapAfter(10)
  return ((await heapAfter(10_000)) - few) / 9_990
}

/** Milliseconds until so many callers of one identity, who come at once, have the header of its first token. */
export const coldCallers = async (callers: number, answerMillis: number): Promise<number> => {
  let requests = 0
  const answers = Effect.andThen(
    Effect.sync(() => (requests += 1)),
    Effect.sleep(answerMillis)
  )
  const runtime = ManagedRuntime.make(authOf(1, answers))
  const { getHeader } = await runtime.runPromise(DatabricksAuth.DatabricksAuth)
  const credential = credentialOf(0)
  const start = performance.now()
  const headers = await runtime.runPromise(
    Effect.forEach(
      Array.from({ length: callers }, () => credential),
      getHeader,
      { concurrency: "unbounded" }
    )
  )
  const took = performance.now() - start
  await runtime.dispose()
  if (requests !== 1) throw new Error(`${callers} callers made ${requests} requests`)
  if (headers.some((header) => header !== headers[0])) throw new Error("callers got different headers")
  return took
}
