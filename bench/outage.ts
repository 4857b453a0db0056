/**
 * A token endpoint that is dead for a minute, on a clock of its own: thousands of identities without a token, each
 * polled by Flyte every ten seconds. With and without the circuit breaker.
 */
import { Circuit, TokenEndpoint, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { Clock, Effect, Fiber, Layer, Random, Redacted, Result, Semaphore } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { table } from "./support/measure.ts"

const identities = 1000
const pollEvery = 10_000
const outage = 60_000
const connections = 64

type Death = "hangs" | "answers 503"

const instance = WorkspaceHost.WorkspaceHost.make("dbc-a1b2.cloud.databricks.com")

const simulate = (death: Death, clients: number) =>
  Effect.gen(function* () {
    const pool = yield* Semaphore.make(connections)
    const requests: Array<number> = []
    const waits: Array<number> = []
    let waiting = 0
    let mostWaiting = 0
    let lastServed = 0

    const client = HttpClient.make((request) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        requests.push(now)
        const alive = now >= outage
        if (!alive && death === "hangs") return yield* Effect.never
        yield* Effect.sleep("50 millis")
        const body = JSON.stringify({ access_token: "t", token_type: "Bearer", expires_in: 3600 })
        return HttpClientResponse.fromWeb(request, new Response(alive ? body : "", { status: alive ? 200 : 503 }))
      }).pipe(pool.withPermit)
    )

    const poll = (identity: number) =>
      Effect.gen(function* () {
        const { clientCredentials } = yield* TokenEndpoint.TokenEndpoint
        const clientId = `client-${identity}`
        yield* Effect.sleep((identity * pollEvery) / identities)
        while (true) {
          const start = yield* Clock.currentTimeMillis
          mostWaiting = Math.max(mostWaiting, ++waiting)
          const exit = yield* Effect.exit(
            clientCredentials({ instance, clientId, clientSecret: Redacted.make("s"), source: "s" })
          )
          waiting--
          const now = yield* Clock.currentTimeMillis
          if (exit._tag === "Success") return void (lastServed = now)
          waits.push(now - start)
          yield* Effect.sleep(Math.max(0, pollEvery - (now - start)))
        }
      })

    const fibers = yield* Effect.forkChild(
      Effect.forEach(
        Array.from({ length: identities }, (_, index) => index),
        poll,
        {
          concurrency: "unbounded",
          discard: true
        }
      ).pipe(
        Effect.provide(
          TokenEndpoint.layer.pipe(
            Layer.provide(Layer.succeed(HttpClient.HttpClient, client)),
            Layer.provide(
              Layer.succeed(WorkspaceHost.AllowedInstances, Result.getOrThrow(WorkspaceHost.allowList([])))
            ),
            Layer.provide(
              Layer.effect(
                Circuit.CircuitPolicy,
                Effect.map(Circuit.CircuitPolicy, (policy) => ({ ...policy, clients }))
              )
            )
          )
        )
      )
    )
    for (let second = 0; second < 90; second++) yield* TestClock.adjust("1 second")
    yield* Fiber.interrupt(fibers)

    const sorted = waits.toSorted((one, other) => one - other)
    const at = (share: number) => `${((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) / 1000).toFixed(1)} s`
    const busiest = Math.max(
      ...Map.groupBy(requests, (time) => Math.floor(time / 1000))
        .values()
        .map((all) => all.length)
    )
    return [
      String(requests.filter((time) => time < outage).length),
      String(busiest),
      String(mostWaiting),
      `${at(0.5)} / ${at(0.99)} / ${at(1)}`,
      `${(waits.reduce((sum, wait) => sum + wait, 0) / 3_600_000).toFixed(1)} h`,
      `${((lastServed - outage) / 1000).toFixed(1)} s`
    ]
  }).pipe(Effect.provide(TestClock.layer()), Effect.provideService(Random.Random, seeded()))

/** The same luck in each run: a linear congruential generator. */
const seeded = () => {
  let state = 42
  const nextDoubleUnsafe = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
  return { nextDoubleUnsafe, nextIntUnsafe: () => Math.floor(nextDoubleUnsafe() * 2 ** 31) }
}

export const benchOutage = async (): Promise<void> => {
  const rows: Array<[string, ...Array<string>]> = []
  for (const death of ["hangs", "answers 503"] as const) {
    for (const [name, clients] of [
      ["without a breaker", Number.MAX_SAFE_INTEGER],
      ["with", 3]
    ] as const) {
      rows.push([`${death}, ${name}`, ...(await Effect.runPromise(simulate(death, clients)))])
    }
  }
  table(
    `A token endpoint that is dead for a minute, ${identities} identities, each polled every 10 s`,
    [
      "",
      "requests",
      "most in 1 s",
      "waiting at once",
      "a failed call took, p50 / p99 / max",
      "in all",
      "last token after"
    ],
    rows
  )
}
