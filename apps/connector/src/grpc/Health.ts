/**
 * What Kubernetes' probes and gRPC clients are told of health: for the server as a whole, for each service, and for the
 * health service itself. All of them have the same health, as they have the same process.
 */
import { create } from "@bufbuild/protobuf"
import { GrpcHealth } from "@flyte-databricks/flyte-protocol"
import type * as Grpc from "@grpc/grpc-js"
import { status as codes } from "@grpc/grpc-js"
import { type Read, readBy, reader } from "./MessageReader.ts"

const requests = {
  check: reader(GrpcHealth.HealthCheckRequestSchema, { service: true }),
  watch: reader(GrpcHealth.HealthCheckRequestSchema, { service: true }),
  list: reader(GrpcHealth.HealthListRequestSchema, {})
}

type Watch = Grpc.ServerWritableStream<Read<typeof requests.watch>, GrpcHealth.HealthCheckResponse>

export type Status = "SERVING" | "NOT_SERVING"

export interface Health {
  readonly set: (health: Status) => void
  readonly current: () => Status
  /** A watch has no end of its own, and the server would wait for one. */
  readonly endWatches: () => void
}

const { HealthCheckResponse_ServingStatus: ServingStatus } = GrpcHealth

const response = (health: keyof typeof ServingStatus) =>
  create(GrpcHealth.HealthCheckResponseSchema, { status: ServingStatus[health] })

/**
 * Adds the health service, NOT_SERVING to begin with.
 */
export const addTo = (server: Pick<Grpc.Server, "addService">, services: ReadonlyArray<string>): Health => {
  const names = new Set(["", GrpcHealth.Health.typeName, ...services])
  const watches = new Set<Watch>()
  let status: Status = "NOT_SERVING"
  let current = response(status)

  const check: Grpc.handleUnaryCall<Read<typeof requests.check>, GrpcHealth.HealthCheckResponse> = (
    { request: { service } },
    callback
  ) =>
    names.has(service)
      ? callback(null, current)
      : callback({ code: codes.NOT_FOUND, details: `Health status unknown for service ${service.slice(0, 100)}` })

  const watch = (call: Watch): void => {
    watches.add(call)
    call.on("cancelled", () => watches.delete(call))
    call.write(names.has(call.request.service) ? current : response("SERVICE_UNKNOWN"))
  }

  const list: Grpc.handleUnaryCall<Read<typeof requests.list>, GrpcHealth.HealthListResponse> = (_call, callback) =>
    callback(
      null,
      create(GrpcHealth.HealthListResponseSchema, {
        statuses: Object.fromEntries([...names].map((name) => [name, current]))
      })
    )

  server.addService(readBy(GrpcHealth.Health, requests), { check, watch, list })
  return {
    current: () => status,
    set: (health) => {
      status = health
      current = response(health)
      for (const call of watches) if (names.has(call.request.service)) call.write(current)
    },
    endWatches: () => watches.forEach((call) => call.end())
  }
}
