/**
 * Drills on a running connector: what it is made to meet with shows in its own metrics, of which the chart's alerts are made to
 * fire, and in its audit, of which no call is missing.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Fault } from "@flyte-databricks/emulators"
import { Effect, FileSystem, Schema } from "effect"
import { stringify } from "yaml"
import { charts, isAvailable, promtool, render } from "./support/helm.ts"
import { running, type Scrape } from "./support/running.ts"

const available = await Effect.runPromise(Effect.provide(isAvailable, NodeServices.layer))

const ofRelease = 'namespace="flyte",job="flyteconnector"'

const Groups = Schema.Struct({
  spec: Schema.Struct({
    groups: Schema.Array(Schema.Struct({ rules: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)) }))
  })
})

/** The chart's rules, without the words. */
const rules = Effect.gen(function* () {
  const set = ["image.repository=x/y", "metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true"]
  const objects = yield* render(
    charts.own,
    set.flatMap((one) => ["--set", one])
  )
  const found = yield* Schema.decodeUnknownEffect(Groups)(objects.find(({ kind }) => kind === "PrometheusRule"))
  return found.spec.groups.flatMap((group) => group.rules.map(({ annotations: _, ...rule }) => rule))
})

/** What Prometheus has stored where the drill lasts: what changed once, changes as much every minute. */
const stored = (before: Scrape, after: Scrape, scrapedAt: number) =>
  [...after].flatMap(([name, value]) => {
    if (Number.isNaN(value)) return []
    const series = name.endsWith("}") ? name.replace(/\}$/, `,${ofRelease}}`) : `${name}{${ofRelease}}`
    const first = before.get(name)
    if (/_(total|count|sum|bucket)(\{|$)/.test(name)) {
      const more = value - (first ?? 0)
      return [{ series, values: `${first ?? "_"} ${value}+${more}x60` }]
    }
    // Prometheus' time begins at zero here.
    const now = /_timestamp_seconds/.test(name) ? value - scrapedAt : value
    return [{ series, values: `${now}x61` }]
  })

const fires = Effect.fnUntraced(function* (
  alert: string,
  labels: Readonly<Record<string, string>>,
  series: ReadonlyArray<object>
) {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped()
  const test = {
    rule_files: ["rules.yaml"],
    evaluation_interval: "1m",
    tests: [
      {
        interval: "1m",
        input_series: series,
        alert_rule_test: [
          {
            eval_time: "40m",
            alertname: `FlyteDatabricksConnector${alert}`,
            exp_alerts: [{ exp_labels: { namespace: "flyte", ...labels } }]
          }
        ]
      }
    ]
  }
  yield* files.writeFileString(`${directory}/rules.yaml`, stringify({ groups: [{ name: "g", rules: yield* rules }] }))
  yield* files.writeFileString(`${directory}/tests.yaml`, stringify(test))
  yield* promtool("test", "rules", `${directory}/tests.yaml`)
}, Effect.scoped)

const drill = (
  name: string,
  env: (directory: string) => Readonly<Record<string, string>>,
  run: (world: Effect.Success<ReturnType<typeof running>>) => Effect.Effect<void, unknown, FileSystem.FileSystem>
) =>
  it.live(
    name,
    () => Effect.flatMap(running(env), run).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    120_000
  )

const now = Effect.clockWith((clock) => Effect.map(clock.currentTimeMillis, (millis) => millis / 1000))

describe.skipIf(!available)("a drill", () => {
  drill(
    "of identities that are refused, of a right that is taken away, of a token endpoint that is down",
    () => ({}),
    ({ audit, create, creates, scrape, workspace }) =>
      Effect.gen(function* () {
        yield* create("team-pat")
        const well = yield* scrape

        const refusing = yield* workspace.faults.add({
          path: "/oidc/v1/token",
          action: Fault.status(401, { body: { error: "invalid_client" } })
        })
        yield* create("team-a")
        const refused = yield* scrape
        yield* workspace.faults.remove(refusing)
        const refusal = { severity: "warning", operation: "create", error_code: "401" }
        yield* fires("IdentityRefused", refusal, stored(well, refused, yield* now))

        const forbidding = yield* workspace.faults.add({
          path: "/api/2.1/jobs/runs/submit",
          action: Fault.status(403, { body: { error_code: "PERMISSION_DENIED", message: "no" } })
        })
        yield* create("team-pat")
        const forbidden = yield* scrape
        yield* workspace.faults.remove(forbidding)
        const right = { severity: "warning", operation: "CreateTask", reason: "PermissionDenied" }
        yield* fires("RightTakenAway", right, stored(refused, forbidden, yield* now))

        yield* Effect.sleep("5 seconds")
        yield* workspace.faults.add({ path: "/oidc/v1/token", action: Fault.status(503) })
        yield* Effect.forEach(["team-a", "team-b", "team-c"], (namespace) => create(namespace), {
          concurrency: "unbounded"
        })
        const instance = workspace.url
        const isDown = (found: Scrape) =>
          found.get(`flyte_databricks_circuit_open{databricks_instance="${instance}"}`) === 1 &&
          [...found].some(([name]) => /token_requests_total\{.*result="(unavailable|short_circuited)"/.test(name))
        const down = yield* scrape.pipe(
          Effect.delay("200 millis"),
          Effect.repeat({ until: isDown }),
          Effect.timeout("20 seconds")
        )
        const series = stored(forbidden, down, yield* now)
        yield* fires("CircuitOpen", { severity: "critical", databricks_instance: instance }, series)
        yield* fires("TokenEndpointFails", { severity: "warning", grant: "client_credentials" }, series)

        // Of each create it is recorded who it was, and what became of it.
        const events = (yield* audit.events).map(({ event }) => event)
        const count = (...names: ReadonlyArray<string>) => events.filter((name) => names.includes(name)).length
        assert.strictEqual(count("identity.resolved"), creates())
        assert.strictEqual(count("run.submitted"), 1)
        assert.strictEqual(count("run.refused"), creates() - 1)
        assert.strictEqual(count("identity.refused", "instance.refused", "run.unknown"), 0)
        const tokens = yield* workspace.requests.all({ path: "/oidc/v1/token" })
        assert.isNotEmpty(tokens)
        assert.strictEqual(count("token.refused"), 1)
      })
  )

  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const expired = [
    part({ alg: "RS256", kid: "1" }),
    part({ iss: "https://i", sub: "s", aud: "databricks", exp: 1000 }),
    "c2ln"
  ]
  drill(
    "of a projected token that is not rotated",
    (directory) => ({
      FLYTE_DATABRICKS_CLIENT_ID: "sp-of-a",
      FLYTE_DATABRICKS_OIDC_TOKEN_FILE: `${directory}/token`
    }),
    ({ audit, create, scrape }) =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        yield* files.writeFileString(audit.path.replace("audit.jsonl", "token"), expired.join("."))
        yield* create("team-without")
        const stale = yield* scrape.pipe(
          Effect.delay("1 second"),
          Effect.repeat({
            until: (found) => (found.get("flyte_databricks_projected_token_expiry_timestamp_seconds") ?? Number.NaN) > 0
          }),
          Effect.timeout("90 seconds")
        )
        yield* fires("ProjectedTokenStale", { severity: "critical" }, stored(new Map(), stale, yield* now))
        const [event] = yield* audit.waitFor(1)
        assert.include(["identity.refused", "identity.resolved"], event?.event)
      })
  )

  drill(
    "of an audit whose disk is full",
    () => ({ FLYTE_DATABRICKS_AUDIT: "file:/dev/full" }),
    ({ create, scrape }) =>
      Effect.gen(function* () {
        yield* create("team-pat")
        yield* fires("AuditFails", { severity: "critical" }, stored(new Map(), yield* scrape, yield* now))
      })
  )
})
