/**
 * Requests that no handler ever sees, because they are too large, cut off or no message at all: gRPC answers them by
 * itself, and this makes it say so in the log.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as Grpc from "@grpc/grpc-js"
import * as Effect from "effect/Effect"

type Status = Parameters<Grpc.ServerInterceptingCallInterface["sendStatus"]>[0]

// A handler's failure has metadata, if only empty; a client that goes away, or lets its deadline pass, is no news.
const isOurs = ({ code, metadata }: Status): boolean =>
  metadata != null ||
  code === Grpc.status.OK ||
  code === Grpc.status.CANCELLED ||
  code === Grpc.status.DEADLINE_EXCEEDED

/**
 * An interceptor that logs them.
 */
export const logged =
  (log: (line: Effect.Effect<void>) => void): Grpc.ServerInterceptor =>
  ({ path }, call) => {
    const sendStatus = call.sendStatus.bind(call)
    // The call answers such requests by its own method, which a call around it would not get to see.
    call.sendStatus = (status) => {
      if (!isOurs(status)) log(line(path, status))
      sendStatus(status)
    }
    // The type asks for a wrapper; what gRPC does with it is what any call can do.
    return call as Grpc.ServerInterceptingCall
  }

const line = (path: string, { code, details }: Status) =>
  Effect.logWarning(printable(`${path.split("/").at(-1)}: ${details ?? ""}`, { maxLength: 500, as: "value" })).pipe(
    Effect.annotateLogs({ outcome: "RequestUnreadable", status: Grpc.status[code ?? Grpc.status.UNKNOWN] })
  )
