/**
 * What Kubernetes' probes and gRPC clients are told of health: for the server as a whole, for each service, and for the
 * health service itself.
 */
import type * as Grpc from "@grpc/grpc-js"
import { HealthImplementation } from "grpc-health-check"

export interface Health {
  readonly set: (status: "SERVING" | "NOT_SERVING") => void
  /** A watch has no end of its own, and the server would wait for one. */
  readonly endWatches: () => void
}

/**
 * Adds the health service, NOT_SERVING to begin with.
 */
export const addTo = (server: Grpc.Server, services: ReadonlyArray<string>): Health => {
  const names = ["", "grpc.health.v1.Health", ...services]
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, "NOT_SERVING"])))
  const watches = new Set<Grpc.ServerWritableStream<unknown, unknown>>()
  const remembering: Pick<Grpc.Server, "addService"> = {
    addService: (definition, { watch, ...handlers }) =>
      server.addService(definition, {
        ...handlers,
        watch: (call: Grpc.ServerWritableStream<unknown, unknown>) => {
          watches.add(call)
          call.on("cancelled", () => watches.delete(call))
          ;(watch as Grpc.handleServerStreamingCall<unknown, unknown>)(call)
        }
      })
  }
  health.addToServer(remembering as Grpc.Server)
  return {
    set: (status) => names.forEach((name) => health.setStatus(name, status)),
    endWatches: () => watches.forEach((call) => call.end())
  }
}
