/**
 * One call to the API server: credentials, a connection of the pool, a time limit, interruption, and what the answer
 * means. An operation says only which method it is, and how to read what that gives.
 */
import { KubernetesError, Unavailable } from "@flyte-databricks/databricks-auth/Kubernetes"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Dispatcher } from "undici"
import { classify, type Failure } from "./answers.ts"
import type { Credentials, CredentialSource } from "./credentials.ts"
import * as Pools from "./pools.ts"
import * as RequestTelemetry from "./requestTelemetry.ts"

// An API server answers within a second. Where there is no answer in this part of the time, two seconds by default, the
// request may be lost: another is made beside it, and the answer that comes first counts. All operations may be repeated.
const lostAfter = 1 / 15

/** A cluster, and what is sent to it. */
export interface Cluster {
  /** The server's URL. */
  readonly server: string
  /** The server as messages show it, without credentials. */
  readonly address: string
  readonly source: CredentialSource
}

/** What a request is sent with, and over which connections, until the signal aborts. */
export interface Sending {
  readonly headers: Readonly<Record<string, string>>
  readonly dispatcher: Dispatcher
  readonly signal: AbortSignal
  /** Told the status of the answer. */
  readonly answered: (status: number) => void
}

/** An operation of the API. */
export interface Operation<Api, A> {
  /** What it is, for who measures. */
  readonly request: RequestTelemetry.Request
  /** Makes the request. */
  readonly method: (api: Api, sending: Sending) => Promise<unknown>
  /** Reads what the method gives; none where that is not what was asked for. */
  readonly decode: (value: unknown) => Option.Option<A>
}

/** Makes the way to a cluster; its connections are closed with the scope. */
export const make = Effect.fnUntraced(function* <Api>(
  { address, server, source }: Cluster,
  timeout: Duration.Duration,
  api: Api
) {
  const pools = yield* Pools.make

  const measured = RequestTelemetry.measured(server)

  const attempt = Effect.fnUntraced(function* <A>(
    { request, method, decode }: Operation<Api, A>,
    credentials: Credentials
  ): Effect.fn.Return<A, Failure, Scope.Scope> {
    const dispatcher = yield* RcMap.get(pools, credentials.transport)
    const headers = Redacted.value(credentials.headers)
    let status: number | undefined
    const answered = (code: number) => void (status = code)
    const sent = Effect.tryPromise({
      try: (signal) => method(api, { headers, dispatcher, signal, answered }),
      catch: (error) => classify(error)
    })
    const value = yield* measured(request, () => status, sent).pipe(
      // The pool learns in the next turn that the connection is free; a call made before that would open another one.
      Effect.ensuring(Effect.yieldNow)
    )
    return yield* Option.match(decode(value), {
      onNone: () => Effect.fail(new Unavailable({ detail: "answered with JSON that is not what was asked for" })),
      onSome: Effect.succeed
    })
  }, Effect.scoped)

  // A token file that was replaced early is refused until it is read again. Only a different token is worth a try.
  const withRenewal = Effect.fnUntraced(function* <A>(operation: Operation<Api, A>): Effect.fn.Return<A, Failure> {
    const credentials = yield* source.current
    return yield* attempt(operation, credentials).pipe(
      Effect.catchTag("Unauthenticated", (refusal) =>
        Effect.flatMap(source.renew(credentials), (renewed) =>
          Equal.equals(renewed, credentials) ? Effect.fail(refusal) : attempt(operation, renewed)
        )
      )
    )
  })

  /** None where the object does not exist. */
  const call = Effect.fnUntraced(function* <A>(
    operation: Operation<Api, A>
  ): Effect.fn.Return<Option.Option<A>, KubernetesError> {
    const start = yield* Clock.currentTimeMillis
    const asked = withRenewal(operation)
    return yield* asked.pipe(
      Effect.raceFirst(Effect.delay(asked, Duration.times(timeout, lostAfter))),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(new Unavailable({ detail: "gave no answer in time" }))
      }),
      Effect.asSome,
      Effect.catchTag("Absent", () => Effect.succeedNone),
      Effect.catch((failure) =>
        Effect.flatMap(Clock.currentTimeMillis, (end) => {
          const told = new Unavailable({ detail: `${address} ${failure.detail} (after ${end - start} ms)` })
          return Effect.fail(new KubernetesError({ reason: failure._tag === "Forbidden" ? failure : told }))
        })
      )
    )
  })
  return { call }
})
