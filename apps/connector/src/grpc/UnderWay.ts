/**
 * Counts the calls under way, so that the server can wait for them and go on taking new ones meanwhile.
 */
import type * as Grpc from "@grpc/grpc-js"
import * as Effect from "effect/Effect"

export interface UnderWay {
  /** Adds a service whose calls count. */
  readonly counting: Pick<Grpc.Server, "addService">
  /** Waits until none is under way. */
  readonly none: Effect.Effect<void>
}

export const make = (server: Grpc.Server): UnderWay => {
  let calls = 0
  const waiting = new Set<() => void>()
  const begin = (call: Pick<Grpc.ServerUnaryCall<unknown, unknown>, "on">): (() => void) => {
    let over = false
    const end = () => {
      if (over) return
      over = true
      calls -= 1
      if (calls === 0) waiting.forEach((resume) => resume())
    }
    calls += 1
    call.on("cancelled", end)
    call.on("finish", end)
    return end
  }
  const counted = (handle: Grpc.UntypedHandleCall): Grpc.UntypedHandleCall =>
    ((call: Grpc.ServerUnaryCall<unknown, unknown>, callback?: Grpc.sendUnaryData<unknown>) => {
      const end = begin(call)
      if (callback === undefined) return (handle as Grpc.handleServerStreamingCall<unknown, unknown>)(call as never)
      return (handle as Grpc.handleUnaryCall<unknown, unknown>)(call, (...answer) => {
        end()
        callback(...answer)
      })
    }) as Grpc.UntypedHandleCall
  return {
    counting: {
      addService: (definition, handlers) =>
        server.addService(
          definition,
          Object.fromEntries(Object.entries(handlers).map(([name, handle]) => [name, counted(handle)]))
        )
    },
    none: Effect.callback<void>((resume) => {
      const check = () => resume(Effect.void)
      if (calls === 0) check()
      else waiting.add(check)
      return Effect.sync(() => waiting.delete(check))
    })
  }
}
