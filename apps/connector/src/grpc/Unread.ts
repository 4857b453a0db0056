/**
 * Requests that no handler ever sees, because they are too large, cut off or no message at all: gRPC answers them by
 * itself, and this makes it say so in the log.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

type Status = Parameters<Grpc.ServerInterceptingCallInterface["sendStatus"]>[0]

// A handler's failure has metadata, if only empty; a client that goes away, or lets its deadline pass, is no news.
const isOurs = ({ code, metadata }: Status): boolean =>
  metadata != null ||
  code === Grpc.status.OK ||
  code === Grpc.status.CANCELLED ||
  code === Grpc.status.DEADLINE_EXCEEDED

// What costs a caller nothing must not fill a disk.
const linesPerSecond = 20

/**
 * An interceptor that logs on the given services (loggers).
 */
export const logged = (services: Context.Context<never>): Grpc.ServerInterceptor => {
  const clock = Context.get(services, Clock.Clock)
  let second = 0
  let lines = 0
  let unsaid = 0
  const log = (path: string, status: Status): void => {
    const now = Math.floor(clock.currentTimeMillisUnsafe() / 1000)
    if (now !== second) {
      second = now
      lines = 0
    }
    lines += 1
    if (lines > linesPerSecond) {
      unsaid += 1
      return
    }
    Effect.runForkWith(services)(line(path, status, unsaid))
    unsaid = 0
  }
  return ({ path }, call) => {
    const sendStatus = call.sendStatus.bind(call)
    // The call answers such requests by its own method, which a call around it would not get to see.
    call.sendStatus = (status) => {
      if (!isOurs(status)) log(path, status)
      sendStatus(status)
    }
    // The type asks for a wrapper; what gRPC does with it is what any call can do.
    return call as Grpc.ServerInterceptingCall
  }
}

const line = (path: string, { code, details }: Status, unsaid: number) =>
  Effect.logWarning(`${path.split("/").at(-1)}: ${(details ?? "").slice(0, 500).toWellFormed()}`).pipe(
    Effect.annotateLogs({
      outcome: "RequestUnreadable",
      status: Grpc.status[code ?? Grpc.status.UNKNOWN],
      ...(unsaid === 0 ? {} : { alike: `${unsaid} more before it were not logged` })
    })
  )
