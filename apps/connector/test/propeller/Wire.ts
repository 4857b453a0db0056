/**
 * gRPC without a network: the connector's own handlers, called with bytes, deadlines and cancellations as the server
 * would call them.
 */
import {
  Metadata,
  type sendUnaryData,
  type Server,
  type ServerUnaryCall,
  type ServiceDefinition,
  type UntypedServiceImplementation
} from "@grpc/grpc-js"
import { Effect } from "effect"
import { EventEmitter } from "node:events"
import { Received } from "../../src/grpc/Received.ts"
import type { Service } from "../../src/grpc/Server.ts"
import { CallFailed, type Method } from "../support/FlyteClient.ts"

type Handler = (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) => void

interface Served {
  readonly definition: ServiceDefinition[string]
  readonly handler: Handler
  /** What a handler is given of a request. */
  readonly received: (message: unknown) => unknown
}

type AnyService = Pick<Service, "kind"> & { readonly addTo: (server: Server) => void }

/** Serves what the services add. */
export const make = (services: ReadonlyArray<AnyService>) => {
  const methods = new Map<string, Served>()
  for (const { addTo, kind } of services) {
    const received = (message: unknown) => (kind === "light" ? message : new Received(message, () => message, 0))
    const addService = (definitions: ServiceDefinition, handlers: UntypedServiceImplementation) => {
      for (const [name, definition] of Object.entries(definitions)) {
        methods.set(definition.path, { definition, handler: handlers[name] as Handler, received })
      }
    }
    addTo({ addService } as unknown as Server)
  }
  const underWay = new Set<(code: string) => void>()

  /** Calls a method; the caller waits until its deadline, an instant in milliseconds, and no longer. */
  const call = <Request, Response>(
    { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
    request: Request,
    deadline: number
  ): Effect.Effect<Response, CallFailed> =>
    Effect.callback<Response, CallFailed>((resume) => {
      const served = methods.get(path)
      if (served === undefined) return resume(Effect.fail(new CallFailed({ code: "UNIMPLEMENTED", details: path })))
      const { definition, handler, received } = served
      const events = new EventEmitter()
      const end = (outcome: Effect.Effect<Response, CallFailed>) => {
        underWay.delete(cut)
        resume(outcome)
      }
      const cut = (code: string) => {
        events.emit("cancelled")
        end(Effect.fail(new CallFailed({ code, details: "cut off" })))
      }
      underWay.add(cut)
      const serverCall = Object.assign(events, {
        request: received(definition.requestDeserialize(requestSerialize(request))),
        getDeadline: () => deadline,
        getPeer: () => "propeller",
        getPath: () => path,
        metadata: new Metadata()
      })
      handler(serverCall as unknown as ServerUnaryCall<unknown, unknown>, (error, value) =>
        end(
          error === null || error === undefined
            ? Effect.sync(() => responseDeserialize(definition.responseSerialize(value)))
            : Effect.fail(new CallFailed({ code: String(error.code), details: String(error.details) }))
        )
      )
      return Effect.sync(() => {
        underWay.delete(cut)
        events.emit("cancelled")
      })
    })

  return {
    call,
    /** How many calls have no answer yet. */
    underWay: () => underWay.size,
    /** The process is gone: so is what it was doing. */
    kill: Effect.sync(() => [...underWay].forEach((cut) => cut("UNAVAILABLE")))
  }
}

export type Wire = ReturnType<typeof make>
