/**
 * A day of the real core: the boundary, the cache, the client of the token endpoint with its retries and its circuit
 * breaker, on a clock that is moved on by hand. Only the network is not there.
 */
import {
  ClientCredentialsSource,
  ConnectorSettings,
  DatabricksAuth,
  Identity,
  TokenEndpoint,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import { Clock, Context, Effect, Exit, Layer, Logger, Option, Random, Redacted, Scope } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { clientIdOf, clientSecret, makeEndpoint, type Outage } from "./endpoint.ts"
import { Tally } from "./tally.ts"
import { type Day, makeWorkload } from "./workload.ts"

const instance = WorkspaceHost.WorkspaceHost.make("dbc-a1b2.cloud.databricks.com")
const origin = (identity: number) =>
  Identity.NamespaceSecret.make({ namespace: `team-${identity}`, name: "databricks-oauth" })

const credentialOf = (identity: number) => ({
  identity: new Identity.OAuthM2MIdentity({
    instance,
    clientId: Option.some(clientIdOf(identity)),
    origin: origin(identity)
  })
})

const connector = (identities: number, client: HttpClient.HttpClient) =>
  DatabricksAuth.layerOAuthM2M.pipe(
    Layer.provide(
      ClientCredentialsSource.layerMemory({
        namespaces: Object.fromEntries(
          Array.from({ length: identities }, (_, identity) => {
            const { namespace, name } = origin(identity)
            const pair = { clientId: clientIdOf(identity), clientSecret: Redacted.make(clientSecret) }
            return [`${namespace}/${name}`, pair]
          })
        )
      })
    ),
    Layer.provide(TokenEndpoint.layer),
    Layer.provide(Layer.succeed(HttpClient.HttpClient, client)),
    Layer.provide(ConnectorSettings.layer()),
    Layer.fresh
  )

export interface Simulated {
  readonly tally: Tally
  /** Lines that the core logged. */
  readonly logged: number
}

const run = Effect.fnUntraced(function* (day: Day, outage: Outage, stepMillis: number) {
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const now = () => clock.currentTimeMillisUnsafe()
  const workload = makeWorkload(day, stepMillis, () => random.nextDoubleUnsafe())
  const tally = new Tally(day.identities, day.seconds)
  const layer = connector(day.identities, makeEndpoint(day, outage, tally))
  const start = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const services = yield* Layer.buildWithScope(layer, scope)
    return { scope, getHeader: Context.get(services, DatabricksAuth.DatabricksAuth).getHeader }
  })
  const credentials = Array.from({ length: day.identities }, (_, identity) => credentialOf(identity))

  let running = yield* start
  for (let step = 0; step < (day.seconds * 1000) / stepMillis; step++) {
    const at = now()
    if (at === (day.restart ?? Number.NaN) * 1000) {
      yield* Scope.close(running.scope, Exit.void)
      tally.restart()
      running = yield* start
    }
    for (const identity of workload.callers(step)) {
      const token = tally.called(identity, at)
      const header = running.getHeader(credentials[identity]!)
      // A hit is there already: millions of fibers less.
      if (Exit.isExit(header) && Exit.isSuccess(header)) continue
      const call = yield* Effect.forkChild(header, { startImmediately: true })
      const ended = (exit: Exit.Exit<unknown, unknown>) => tally.ended(at, now(), Exit.isFailure(exit), token)
      const exit = call.pollUnsafe()
      if (exit === undefined) call.addObserver(ended)
      else ended(exit)
    }
    yield* TestClock.adjust(stepMillis)
  }
  yield* Scope.close(running.scope, Exit.void)
  return tally
})

/** Simulates a day, calls coming in steps of so many milliseconds. */
export const simulate = (day: Day, outage: Outage, seed: string, stepMillis = 200): Effect.Effect<Simulated> =>
  Effect.suspend(() => {
    let logged = 0
    const counting = Logger.layer([Logger.make(() => (logged += 1))])
    return run(day, outage, stepMillis).pipe(
      Effect.map((tally) => ({ tally, logged })),
      Effect.orDie,
      Effect.provide([TestClock.layer(), counting]),
      Random.withSeed(seed)
    )
  })
