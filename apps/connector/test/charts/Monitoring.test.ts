/** Alerts and dashboard of the chart: they fire when they should, and ask for metrics that there are. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { type Credential } from "@flyte-databricks/databricks-auth"
import { Fault } from "@flyte-databricks/emulators"
import { JobsClient, type Run, RunId } from "@flyte-databricks/databricks-jobs"
import { status } from "@grpc/grpc-js"
import { Effect, FileSystem, Layer, Schema } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { stringify } from "yaml"
import * as Turns from "../../src/admission/Turns.ts"
import * as Audit from "../../src/audit/Audit.ts"
import * as Disowned from "../../src/runs/Disowned.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import * as Docs from "../support/docs.ts"
import { charts, isAvailable, promtool, render, root, unitTests, monitoring } from "./support/helm.ts"
import { golden, running } from "./support/running.ts"

const available = await Effect.runPromise(Effect.provide(isAvailable, NodeServices.layer))

const runbook = "https://docs.example.com/troubleshooting"
const values = {
  "image.repository": "example.com/connector",
  "metrics.serviceMonitor.enabled": "true",
  "metrics.prometheusRule.enabled": "true",
  "metrics.prometheusRule.runbook": runbook,
  "metrics.dashboard.enabled": "true"
}
const args = Object.entries(values).flatMap(([name, value]) => ["--set", `${name}=${value}`])

const Rules = Schema.Struct({
  spec: Schema.Struct({
    groups: Schema.Array(
      Schema.Struct({
        name: Schema.String,
        rules: Schema.Array(
          Schema.Struct({
            alert: Schema.String,
            expr: Schema.String,
            for: Schema.optional(Schema.String),
            labels: Schema.Record(Schema.String, Schema.String),
            annotations: Schema.Record(Schema.String, Schema.String)
          })
        )
      })
    )
  })
})
const Dashboard = Schema.fromJsonString(
  Schema.Struct({
    panels: Schema.Array(
      Schema.Struct({ title: Schema.String, targets: Schema.Array(Schema.Struct({ expr: Schema.String })) })
    )
  })
)

const rendered = Effect.gen(function* () {
  const objects = yield* render(charts.own, args)
  const of = <A>(kind: string, schema: Schema.Codec<A, unknown>) =>
    Schema.decodeUnknownEffect(schema)(objects.find((object) => object.kind === kind))
  const { spec } = yield* of("PrometheusRule", Rules)
  const { data } = yield* of("ConfigMap", Schema.Struct({ data: Schema.Record(Schema.String, Schema.String) }))
  const [json = ""] = Object.values(data)
  const { panels } = yield* Schema.decodeUnknownEffect(Dashboard)(json)
  return { objects, groups: spec.groups, panels }
})

/** What Prometheus reads once each of the metrics was used. */
const series = Effect.gen(function* () {
  const call = (operation: string): Metrics.Ended => ({
    operation,
    method: `flyteidl.service.AsyncAgentService/${operation}`,
    taskType: "spark",
    namespace: "flyte-development",
    authType: "pat",
    seconds: 1,
    code: status.OK,
    spared: undefined,
    failure: undefined
  })
  for (const operation of ["CreateTask", "GetTask", "DeleteTask"]) {
    yield* Metrics.ended(call(operation))
    yield* Metrics.ended({ ...call(operation), code: status.UNAVAILABLE })
  }
  yield* Metrics.ended({ ...call("GetTask"), spared: "JobsUnavailable" })
  yield* Metrics.inputs("spark", 10)
  const over: Run.Run = { state: { life_cycle_state: "TERMINATED", result_state: "SUCCESS" } }
  const jobs = yield* JobsClient.JobsClient.pipe(
    Effect.provide(Layer.mock(JobsClient.JobsClient, { get: () => Effect.succeed(over) }))
  )
  const end = yield* Effect.provide(Disowned.make(jobs), [Audit.layerNone, Turns.layer])
  const attempt = { org: "", project: "p", domain: "d", execution: "e", node: "n", task: "t", retryAttempt: 0 }
  const identity = { instance: "i", authType: "pat", principal: "p" }
  yield* end({ attempt, credential: { identity } as Credential.Credential, runId: RunId.RunId.make("1") }, "unclaimed")
  const text = yield* PrometheusMetrics.format()
  const own = text
    .split("\n")
    .filter((line) => line.startsWith("flyte_connector_"))
    .map((line) => line.slice(0, line.lastIndexOf(" ")))
  return [...own, ...[...(yield* served).keys()].filter((name) => name.startsWith("flyte_databricks_"))]
})

/** What a connector has whose token endpoint has gone down. */
const served = Effect.gen(function* () {
  const { create, scrape, workspace } = yield* running(() => ({}))
  yield* create("team-pat")
  yield* workspace.faults.add({ path: "/oidc/v1/token", action: Fault.status(503) })
  yield* Effect.forEach(["team-a", "team-b", "team-c"], (namespace) => create(namespace), { concurrency: "unbounded" })
  return yield* scrape.pipe(
    Effect.delay("200 millis"),
    Effect.repeat({
      until: (found) =>
        ["circuit_open", "token_requests_total"].every((name) =>
          [...found.keys()].some((series) => series.startsWith(`flyte_databricks_${name}{`))
        )
    }),
    Effect.timeout("20 seconds")
  )
})

const ofRelease = 'namespace="flyte",job="flyteconnector"'

type Labelled = { readonly labels?: Readonly<Record<string, string>> }

describe.skipIf(!available)("the chart's monitoring", () => {
  it.effect("passes the tests of the chart that are beside it", () =>
    Effect.gen(function* () {
      const said = yield* unitTests(charts.own)
      assert.match(said, /Tests: +\d\d passed, \d\d total/)
    })
  )

  it.effect("is what the Prometheus operator takes", () =>
    Effect.gen(function* () {
      const { objects } = yield* rendered
      const own = objects.filter(({ apiVersion }) => apiVersion.startsWith("monitoring.coreos.com/"))
      const said = yield* monitoring(own.map((object) => stringify(object)).join("---\n"))
      assert.deepStrictEqual(said.trim().split("\n").toSorted(), [
        "PrometheusRule flyteconnector-flyte-databricks-connector",
        "ServiceMonitor flyteconnector-flyte-databricks-connector"
      ])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("has alerts that fire when they should and are silent otherwise, each with a section in the guide", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const { groups } = yield* rendered
      const directory = yield* files.makeTempDirectoryScoped()
      const tests = yield* files.readFileString(`${charts.own}/tests/alerts.promtool.yaml`)
      yield* files.writeFileString(`${directory}/rules.yaml`, stringify({ groups }))
      yield* files.writeFileString(`${directory}/tests.yaml`, tests)
      yield* promtool("check", "rules", "--lint=all", "--lint-fatal", `${directory}/rules.yaml`)
      yield* promtool("test", "rules", `${directory}/tests.yaml`)

      const alerts = groups.flatMap(({ rules }) => rules)
      const anchors = Docs.namedAnchors(Docs.section("docs/troubleshooting.md", "Alerts"))
      assert.deepStrictEqual(
        alerts.map(({ annotations }) => annotations["runbook_url"]),
        anchors.map((anchor) => `${runbook}#${anchor}`)
      )
      const [named] = [
        Docs.rows(Docs.section("docs/troubleshooting.md", "Alerts")).map(([cell]) => Docs.spans(cell)[0])
      ]
      for (const [index, { alert }] of alerts.entries()) {
        assert.strictEqual(named[index], alert)
        // Each is seen to fire, and in a world where it does not.
        const tried = tests.split(`alertname: ${alert}`)
        assert.isTrue(
          tried.slice(1).some((after) => /^\n +exp_alerts:/.test(after)),
          alert
        )
        assert.isTrue(
          tried.slice(1).some((after) => after.startsWith(" }")),
          alert
        )
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live(
    "asks for metrics and labels that there are",
    () =>
      Effect.gen(function* () {
        const { groups, panels } = yield* rendered
        const labels = new Map<string, Set<string>>()
        for (const one of yield* series) {
          const [name = "", inner = ""] = one.split(/[{}]/)
          labels.set(
            name,
            new Set(["namespace", "job", ...[...inner.matchAll(/(\w+)=/g)].map(([, label = ""]) => label)])
          )
        }
        assert.isAtLeast(labels.size, 8)
        const expressions = [
          ...groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
          ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
        ]
        for (const expression of expressions) {
          for (const [, name = "", matchers = ""] of expression.matchAll(/(flyte_\w+)\{([^}]*)\}/g)) {
            const known = labels.get(name) ?? assert.fail(`there is no metric ${name}: ${expression}`)
            const by = [...expression.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(/, */))
            const asked = [...[...matchers.matchAll(/(\w+)[=!]/g)].map(([, label = ""]) => label), ...by]
            assert.deepStrictEqual(
              asked.filter((label) => !known.has(label)),
              [],
              expression
            )
          }
        }
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    60_000
  )

  it.live(
    "has a dashboard on which every query finds something",
    () =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const { panels } = yield* rendered
        const variables = { $namespace: "flyte", $job: "flyteconnector", $__rate_interval: "5m", $__range: "1h" }
        const filled = (expr: string) =>
          Object.entries(variables).reduce((text, [name, value]) => text.replaceAll(name, value), expr)
        const rules = panels.flatMap(({ targets, title }) =>
          targets.map(({ expr }, index) => ({ alert: `${title} ${index}`, expr: `count(${filled(expr)}) > 0` }))
        )
        assert.isAtLeast(rules.length, 8)
        const scraped = [
          `up{${ofRelease}}`,
          ...(yield* series).map((one) =>
            one.endsWith("}") ? one.replace(/\}$/, `,${ofRelease}}`) : `${one}{${ofRelease}}`
          )
        ]
        const test = {
          rule_files: ["rules.yaml"],
          evaluation_interval: "1m",
          tests: [
            {
              interval: "1m",
              input_series: scraped.map((one) => ({ series: one, values: "0+1x60" })),
              alert_rule_test: rules.map(({ alert }) => ({
                eval_time: "60m",
                alertname: alert,
                exp_alerts: [{ exp_labels: {} }]
              }))
            }
          ]
        }
        const directory = yield* files.makeTempDirectoryScoped()
        yield* files.writeFileString(`${directory}/rules.yaml`, stringify({ groups: [{ name: "dashboard", rules }] }))
        yield* files.writeFileString(`${directory}/tests.yaml`, stringify(test))
        yield* promtool("test", "rules", `${directory}/tests.yaml`)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    60_000
  )

  it.effect("is in deploy/monitoring too, for who installs without Helm", () =>
    Effect.gen(function* () {
      const { objects } = yield* rendered
      for (const [kind, file] of [
        ["PrometheusRule", "prometheusrule.yaml"],
        ["ServiceMonitor", "servicemonitor.yaml"],
        ["ConfigMap", "dashboard.yaml"]
      ] as const) {
        const object = objects.find((one) => one.kind === kind) ?? assert.fail(kind)
        const { labels = {}, ...metadata } = object.metadata as Labelled
        const own = Object.entries(labels).filter(([name]) => !/^helm\.sh\/|managed-by|\/version$/.test(name))
        const plain = { ...object, metadata: { ...metadata, labels: Object.fromEntries(own) } }
        const text = `# Made of the chart: see README.md.\n${stringify(plain, { lineWidth: 0 })}`
        yield* golden(text, `${root}deploy/monitoring/${file}`)
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
