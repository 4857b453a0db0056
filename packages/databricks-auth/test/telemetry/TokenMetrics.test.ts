/** What the cache, the endpoint and selection show of themselves. */
import {
  type Credential,
  Circuit,
  DatabricksAuth,
  Identity,
  RetryPolicy,
  TokenEndpoint,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, Option, Redacted, Schedule, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { answer, makeHttp } from "../support/http.ts"
import {
  credentialOf as namespaceCredentialOf,
  host,
  makeCache,
  outage,
  policy,
  token,
  withoutJitter
} from "../support/tokens.ts"

const credentialOf = (clientId: string): Credential.Credential => ({
  identity: new Identity.OAuthM2MIdentity({
    instance: host,
    clientId: Option.some(clientId),
    origin: Identity.ConnectorLevel.make({})
  })
})
const a = credentialOf("team-a")
const b = credentialOf("team-b")

/** Metrics of nobody else. */
const alone = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

/** The series of a metric, by the values of their labels. */
const series = (name: string) =>
  Effect.map(Metric.snapshot, (all) =>
    Object.fromEntries(
      all.flatMap((metric) => {
        if (metric.id !== name) return []
        const { state } = metric
        const value = "value" in state ? state.value : "count" in state ? state.count : undefined
        return [[Object.values(metric.attributes ?? {}).join(" "), value]]
      })
    )
  )

const expiry = Effect.map(series("flyte_databricks_token_expiry_timestamp_seconds"), (all) => all[a.identity.authType])
const states = Effect.map(series("flyte_databricks_tokens"), (all) =>
  Object.entries(all).flatMap(([kind, number]) => (number === 0 ? [] : [`${kind}: ${number}`]))
)

describe("the cache", () => {
  it.effect("shows when the first of the tokens in use ends, and not of those that nobody asks for", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) => Effect.succeed(token(`t${count}`, "1 hour")))
      assert.isNaN(yield* expiry)
      yield* cache.get(a)
      yield* TestClock.adjust("10 minutes")
      yield* cache.get(b)
      assert.strictEqual(yield* expiry, 3600)
      // The first is due by now. Nobody asks for it, and it ends without harm.
      yield* TestClock.adjust("30 minutes")
      assert.strictEqual(yield* expiry, 4200)
      assert.deepStrictEqual(yield* states, [`${a.identity.authType} fresh: 2`])
    }).pipe(Effect.provide(TokenEntries.layer), alone)
  )

  it.effect("shows no longer when one ends that is due and that nobody has asked for since, to the moment", () =>
    Effect.gen(function* () {
      const due = 2_120_000
      const cache = yield* makeCache((_, count) => (count <= 2 ? Effect.succeed(token("t", "1 hour")) : Effect.never))
      yield* cache.get(a)
      yield* TestClock.adjust(due - 1)
      assert.strictEqual(yield* expiry, 3600)
      yield* TestClock.adjust(1)
      assert.isNaN(yield* expiry)
      yield* cache.get(a)
      yield* TestClock.adjust(due)
      // Somebody asks at the moment at which the second is due, and is the one who has it renewed.
      yield* cache.get(a)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* expiry, (due + 3_600_000) / 1000)
    }).pipe(Effect.provide([TokenEntries.layer, withoutJitter]), alone)
  )

  it.effect("shows that a token that is asked for is not renewed", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache((_, count) =>
        count === 1 ? Effect.succeed(token("t1", "1 hour")) : Effect.fail(outage)
      )
      yield* cache.get(a)
      yield* TestClock.adjust("45 minutes")
      yield* cache.get(a)
      yield* TestClock.adjust("5 minutes")
      yield* cache.get(a)
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* expiry, 3600)
      const failures = yield* series("flyte_databricks_token_refresh_failures_total")
      assert.strictEqual(failures[a.identity.authType], 2)
    }).pipe(Effect.provide(TokenEntries.layer), alone)
  )

  it.effect("counts who left it, by why", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(() => Effect.succeed(token("t", "1 hour")))
      yield* cache.get(a)
      yield* cache.get(b)
      yield* TestClock.adjust("2 hours")
      yield* cache.get(credentialOf("team-c"))
      assert.deepStrictEqual(yield* series("flyte_databricks_token_evictions_total"), {
        capacity: 1,
        weight: 0,
        idle: 1
      })
    }).pipe(Effect.provide([TokenEntries.layer, policy({ capacity: 1 })]), alone)
  )
})

describe("the metrics of the cache", () => {
  it.effect("say what they are, and are there before anything happens, for each auth type", () =>
    Effect.gen(function* () {
      yield* makeCache(() => Effect.succeed(token("t")))
      const all = (yield* Metric.snapshot).filter(({ id }) => id.startsWith("flyte_databricks_token"))
      assert.deepStrictEqual(Object.fromEntries(all.map(({ id, description }) => [id, description])), {
        flyte_databricks_tokens: "Credentials in the cache",
        flyte_databricks_token_refresh_failures_total: "Renewals in the background that failed, while the token lasts",
        flyte_databricks_token_expiry_timestamp_seconds: "When the first of the tokens in use ends",
        flyte_databricks_token_evictions_total: "Credentials that left the cache"
      })
      const types = ["pat", "oauth_m2m", "oidc_federation"]
      assert.sameMembers(
        Object.keys(yield* series("flyte_databricks_tokens")),
        types.flatMap((type) =>
          ["empty", "fetching", "fresh", "refreshing", "expired", "failed"].map((state) => `${type} ${state}`)
        )
      )
      assert.deepStrictEqual(
        yield* series("flyte_databricks_token_refresh_failures_total"),
        Object.fromEntries(types.map((type) => [type, 0]))
      )
      // When a PAT ends, Databricks alone knows.
      assert.sameMembers(Object.keys(yield* series("flyte_databricks_token_expiry_timestamp_seconds")), types.slice(1))
    }).pipe(Effect.provide(TokenEntries.layer), alone)
  )

  it.effect("count each credential once, by its auth type and state", () =>
    Effect.gen(function* () {
      const pat = namespaceCredentialOf("team-p")
      const cache = yield* makeCache(({ credential }) =>
        credential === b ? Effect.fail(outage) : Effect.succeed(token("t", "1 hour"))
      )
      yield* cache.get(a)
      yield* cache.get(pat)
      yield* Effect.flip(cache.get(b))
      const failures = yield* series("flyte_databricks_token_refresh_failures_total")
      assert.strictEqual(failures["oauth_m2m"], 0, "that somebody waited for a token that did not come is no renewal")
      assert.sameMembers(yield* states, ["oauth_m2m fresh: 1", "oauth_m2m failed: 1", "pat fresh: 1"])
      // Who looks later sees what is there by then.
      yield* cache.get(credentialOf("team-c"))
      assert.sameMembers(yield* states, ["oauth_m2m fresh: 2", "oauth_m2m failed: 1", "pat fresh: 1"])
    }).pipe(Effect.provide(TokenEntries.layer), alone)
  )
})

describe("traces of the cache", () => {
  it.effect("have a renewal as a trace of its own, with a link to who began it", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.gen(function* () {
        const cache = yield* makeCache((_, count) => Effect.succeed(token(`t${count}`, "1 hour")))
        yield* cache.get(a)
        yield* TestClock.adjust("45 minutes")
        yield* cache.get(a).pipe(Effect.withSpan("poll"))
        yield* TestClock.adjust(0)
        yield* cache.get(a)
        yield* Effect.all([cache.get(b), cache.get(b)], { concurrency: "unbounded" })
      }).pipe(Effect.provide(TokenEntries.layer), Effect.provideService(Tracer.Tracer, tracer))
      const [refresh] = spans.filter(({ name }) => name === "DatabricksAuth.refresh")
      assert.isTrue(Option.isNone(refresh!.parent))
      const gets = spans.filter(({ name }) => name === "DatabricksAuth.getHeader")
      assert.deepStrictEqual(
        gets.map(({ attributes }) => attributes.get("cache")),
        ["miss", "refresh", "hit", "miss", "wait"]
      )
      for (const { attributes } of [...gets, refresh!]) {
        assert.strictEqual(attributes.get("databricks.auth_type"), "oauth_m2m")
        assert.strictEqual(attributes.get("databricks.instance"), host)
      }
      assert.deepStrictEqual(
        refresh!.links.map(({ span }) => span.spanId),
        [gets[1]!.spanId]
      )
    }).pipe(alone)
  )

  it.effect("are none where nobody traces", () =>
    Effect.gen(function* () {
      const cache = yield* makeCache(() => Effect.succeed(token("t", "1 hour")))
      yield* cache.get(a)
      assert.strictEqual(cache.get(a), cache.get(a))
    }).pipe(Effect.provide(TokenEntries.layer), alone)
  )
})

describe("a token endpoint", () => {
  const ask = (clientId: string, instance = "dbc-a1b2.cloud.databricks.com") =>
    TokenEndpoint.TokenEndpoint.use(({ clientCredentials }) =>
      clientCredentials({
        instance: WorkspaceHost.WorkspaceHost.make(instance),
        clientId,
        clientSecret: Redacted.make("hunter22"),
        source: "s"
      })
    ).pipe(Effect.exit)

  const policies = Layer.merge(
    Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(0)),
    Layer.succeed(Circuit.CircuitPolicy, { clients: 3, openFor: Schedule.exponential("2 seconds") })
  )

  it.effect("shows what was asked of it, and that its circuit is open, until it is back or forgotten", () =>
    Effect.gen(function* () {
      let current = answer(503)
      const { layer } = yield* makeHttp((request) => current(request))
      yield* Effect.gen(function* () {
        const circuits = series("flyte_databricks_circuit_open")
        for (const client of ["one", "two", "three", "four"]) yield* ask(client)
        yield* TestClock.adjust(0)
        const counted = yield* series("flyte_databricks_token_requests_total")
        assert.strictEqual(counted["client_credentials unavailable"], 3)
        assert.strictEqual(counted["client_credentials short_circuited"], 1)
        assert.strictEqual(counted["token_exchange issued"], 0)
        assert.deepStrictEqual(yield* circuits, { "dbc-a1b2.cloud.databricks.com": 1 })
        // Nobody has asked for ten minutes: it is not known to be down.
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(yield* circuits, { "dbc-a1b2.cloud.databricks.com": 0 })
        yield* ask("five")
        yield* TestClock.adjust(0)
        assert.deepStrictEqual(yield* circuits, { "dbc-a1b2.cloud.databricks.com": 1 })
        current = answer(200, { access_token: "t1", token_type: "Bearer", expires_in: 3600 })
        yield* TestClock.adjust("1 minute")
        yield* ask("six")
        yield* TestClock.adjust(0)
        assert.deepStrictEqual(yield* circuits, { "dbc-a1b2.cloud.databricks.com": 0 })
      }).pipe(Effect.provide(TokenEndpoint.layer.pipe(Layer.provide([layer, policies]))))
    }).pipe(alone)
  )

  it.effect("of twenty-five that fail has twenty with a gauge of their own, and one for the others", () =>
    Effect.gen(function* () {
      const { layer } = yield* makeHttp(answer(503))
      yield* Effect.gen(function* () {
        for (let host = 0; host < 25; host++) {
          for (const client of ["one", "two", "three"]) yield* ask(client, `h${host}.cloud.databricks.com`)
          yield* TestClock.adjust(0)
        }
        const circuits = yield* series("flyte_databricks_circuit_open")
        assert.lengthOf(Object.keys(circuits), 21)
        assert.strictEqual(circuits["other"], 1)
        assert.deepStrictEqual([...new Set(Object.values(circuits))], [1])
      }).pipe(Effect.provide(TokenEndpoint.layer.pipe(Layer.provide([layer, policies]))))
    }).pipe(alone)
  )
})

describe("selection", () => {
  it.effect("counts decisions by auth type, origin and outcome", () =>
    Effect.gen(function* () {
      yield* Effect.gen(function* () {
        const auth = yield* DatabricksAuth.DatabricksAuth
        const task = (namespace: string, more: object = {}) => ({
          namespace,
          settings: { instance: "dbc-a1b2.cloud.databricks.com", ...more }
        })
        yield* auth.resolve(task("team-a"))
        yield* Effect.exit(auth.resolve(task("team-b")))
        yield* Effect.exit(auth.resolve(task("team-b", { authType: "oauth_m2m" })))
      }).pipe(
        Effect.provide(
          DatabricksAuth.layerMemory({ secrets: { "team-a/databricks-token": { token: "pat-of-team-a" } } })
        )
      )
      assert.deepStrictEqual(yield* series("flyte_databricks_identity_selections_total"), {
        "pat namespace resolved": 1,
        "none none refused": 1,
        "oauth_m2m none refused": 1
      })
    }).pipe(alone)
  )
})
