/**
 * One call to the API server: credentials, a connection of the pool, a time limit, interruption, and what the answer
 * means. An operation says only which method of the library it is, and how to read what that gives.
 */
import { KubernetesError, Unavailable } from "@flyte-databricks/databricks-auth/Kubernetes"
import {
  type Configuration,
  type ConfigurationOptions,
  createConfiguration,
  ServerConfiguration
} from "@kubernetes/client-node"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { classify, type Failure } from "./answers.ts"
import * as CredentialSource from "./credentials.ts"
import { exchange } from "./exchange.ts"
import type { Loaded } from "./kubeConfig.ts"
import * as Pools from "./pools.ts"
import * as RequestTelemetry from "./requestTelemetry.ts"

// An API server answers within a second. Where there is no answer in this part of the time, two seconds by default, the
// request may be lost: another is made beside it, and the answer that comes first counts. All operations may be repeated.
const lostAfter = 1 / 15

/** An operation of the API. */
export interface Operation<Api, A> {
  readonly request: RequestTelemetry.Request
  /** Calls the library's method, with the options given. */
  readonly method: (api: Api, options: ConfigurationOptions) => Promise<unknown>
  /** Reads what the method gives; none where that is not what was asked for. */
  readonly decode: (value: unknown) => Option.Option<A>
}

/** Makes the way to the loaded cluster, and the credentials for it; its connections are closed with the scope. */
export const make = Effect.fnUntraced(function* <Api>(
  { kubeConfig, server, address }: Loaded,
  timeout: Duration.Duration,
  makeApi: (configuration: Configuration) => Api
) {
  const source = yield* CredentialSource.make(kubeConfig)
  const pools = yield* Pools.make
  const api = makeApi(createConfiguration({ baseServer: new ServerConfiguration(server, {}) }))

  const measured = RequestTelemetry.measured(server)

  const attempt = Effect.fnUntraced(function* <A>(
    { request, method, decode }: Operation<Api, A>,
    credentials: CredentialSource.Credentials
  ): Effect.fn.Return<A, Failure, Scope.Scope> {
    const dispatcher = yield* RcMap.get(pools, credentials.transport)
    const headers = Redacted.value(credentials.headers)
    let status: number | undefined
    const answered = (code: number) => void (status = code)
    const sent = Effect.tryPromise({
      try: (signal) =>
        method(api, {
          middleware: [exchange({ headers, dispatcher, signal, answered })],
          middlewareMergeStrategy: "append"
        }),
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
  return { call, credentials: source.current }
})
