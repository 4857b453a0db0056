/**
 * The connector as Kubernetes runs it: replicas that share nothing, replaced one by one in an update, and one that
 * crashes.
 */
import { Clock, type Duration, Effect, Exit, Option, Random, Scope } from "effect"
import { CallFailed, type Method } from "../support/FlyteClient.ts"
import type { Wire } from "./Wire.ts"

/** What becomes of the answer to a call, on its way to Flyte. */
export type Way = "arrives" | "answer lost" | "connection lost"

/** A connector, and whether its process lives: where it does not, nothing that it asks for comes about. */
export interface Process {
  isAlive: boolean
}

interface Replica {
  readonly wire: Wire
  readonly scope: Scope.Closeable
  readonly process: Process
}

/** Starts replicas; they stop when the scope closes. The way is asked for before each call, by the method's path. */
export const make = Effect.fnUntraced(function* <E>(
  replicas: number,
  build: (process: Process) => Effect.Effect<Wire, E, Scope.Scope>,
  way: (path: string) => Effect.Effect<Way>
) {
  const whole = yield* Effect.scope
  let turn = 0
  const start = Effect.gen(function* () {
    const scope = yield* Scope.fork(whole)
    const process = { isAlive: true }
    return { scope, process, wire: yield* Scope.provide(build(process), scope) }
  })
  let ready: ReadonlyArray<Replica> = yield* Effect.replicateEffect(start, replicas)

  const remove = (replica: Replica) =>
    Effect.sync(() => {
      ready = ready.filter((other) => other !== replica)
    })
  const add = Effect.map(start, (replica) => {
    ready = [...ready, replica]
  })

  // After SIGTERM: new calls go elsewhere, those under way are finished.
  const drain = Effect.fnUntraced(function* ({ scope, wire }: Replica) {
    for (let waited = 0; wire.underWay() > 0 && waited < 250; waited++) yield* Effect.sleep("100 millis")
    yield* wire.kill
    yield* Scope.close(scope, Exit.void)
  })

  const restart = Effect.fnUntraced(function* (after: Duration.Input) {
    // The one that has most to lose.
    const first = ready.find(({ wire }) => wire.underWay() > 0) ?? ready[0]
    if (first === undefined) return
    yield* remove(first)
    first.process.isAlive = false
    yield* first.wire.kill
    yield* Scope.close(first.scope, Exit.void)
    yield* Effect.andThen(Effect.sleep(after), add)
  })

  return {
    /** Calls one of them, as a client behind a Service does. */
    call: Effect.fnUntraced(function* <Request, Response>(
      method: Method<Request, Response>,
      request: Request,
      timeoutMillis: number
    ) {
      if (ready.length === 0) return yield* new CallFailed({ code: "UNAVAILABLE", details: "connection refused" })
      // As gRPC does over the addresses of a name: each in its turn.
      const { wire } = ready[turn++ % ready.length] as Replica
      const deadline = (yield* Clock.currentTimeMillis) + timeoutMillis
      return yield* within(timeoutMillis, onItsWay(yield* way(method.path), wire.call(method, request, deadline)))
    }),
    /** An update: every replica gives way to a new one, which is ready first. */
    update: Effect.suspend(() =>
      Effect.forEach(ready, (old) => Effect.all([add, remove(old), drain(old)], { discard: true }), { discard: true })
    ),
    /** One of them is gone, with all that it was doing; another is ready after a while. */
    crash: restart("5 seconds"),
    restart
  }
})

/** A call that its caller gives up at the deadline. */
export const within = <A>(millis: number, call: Effect.Effect<A, CallFailed>) =>
  Effect.timeoutOrElse(call, {
    duration: millis,
    orElse: () => Effect.fail(new CallFailed({ code: "DEADLINE_EXCEEDED", details: "the caller's own deadline" }))
  })

/** What becomes of a call. */
export const onItsWay = <A>(way: Way, call: Effect.Effect<A, CallFailed>): Effect.Effect<A, CallFailed> => {
  switch (way) {
    case "arrives":
      return call
    case "answer lost":
      // The connector has answered; nobody hears it before the deadline.
      return Effect.andThen(Effect.forkDetach(call), Effect.never)
    case "connection lost":
      // In the midst of the call, which the connector sees.
      return Effect.gen(function* () {
        const answer = yield* Effect.timeoutOption(call, yield* Random.nextIntBetween(1, 3000))
        return yield* Option.match(answer, {
          onNone: () => Effect.fail(new CallFailed({ code: "UNAVAILABLE", details: "connection reset" })),
          onSome: Effect.succeed
        })
      })
  }
}

export type Deployment = Effect.Success<ReturnType<typeof make>>
