/**
 * An attack on the labels of metrics: whatever callers, authors and workspaces make up, the series are those that there
 * are to be. By Prometheus and by OTLP they are the same.
 */
import { create } from "@bufbuild/protobuf"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace, Fault } from "@flyte-databricks/emulators"
import { Flyte1, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { listening } from "@flyte-databricks/emulators/testing/Network"
import { Effect } from "effect"
import { createServer } from "node:net"
import * as ConnectorProcess from "../support/ConnectorProcess.ts"
import * as Docs from "../support/docs.ts"
import * as FlyteClient from "../support/FlyteClient.ts"
import * as OtlpReceiver from "../support/OtlpReceiver.ts"
import * as tasks from "../support/tasks.ts"
import * as World from "../support/World.ts"

const agent = grpcServiceDefinition(Flyte1.AsyncAgentService)
const made = "made-up"

const freePort = Effect.scoped(listening(createServer()))

const scrape = (port: number) =>
  Effect.promise(() => fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text()))

interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: string
}

const seriesOf = (text: string): ReadonlyArray<Series> =>
  text.split("\n").flatMap((line) => {
    const [, name, labels = "", value = ""] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (name === undefined) return []
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = "", said = ""]) => [key, said])
    return [{ name, labels: Object.fromEntries(pairs), value }]
  })

/** What a label may say, as the docs have it. */
const allowed: Readonly<Record<string, RegExp>> = {
  task_type: /^(spark|databricks|unknown)$/,
  operation: /^(create|get|delete|submit|cancel|output|CreateTask|GetTask|DeleteTask|GetTaskLogs|GetTaskMetrics)$/,
  error_code: /^\d{3}$/,
  outcome: /^([A-Z]\w+|resolved|refused|unavailable)$/,
  reason: /^([A-Z]\w+|capacity|weight|idle)$/,
  code: /^(FDC\d{3}|none)$/,
  flyte_namespace: /^(team-pat|other)$/,
  auth_type: /^(pat|oauth_m2m|oidc_federation|none)$/,
  origin: /^(request|namespace|connector|none)$/,
  event: /^[a-z.]+$/,
  why: /^(full|late|superseded|unclaimed)$/,
  bound: /^(requests|rate)$/,
  grant: /^(client_credentials|token_exchange)$/,
  result: /^[a-z_]+$/,
  state: /^[a-z]+$/,
  databricks_instance: /^(other|[\w.:/-]{1,100})$/,
  rpc_system_name: /^grpc$/,
  rpc_method: /^flyteidl2?\.(service\.AsyncAgentService|connector\.AsyncConnectorService)\/\w+$/,
  rpc_response_status_code: /^[A-Z_]+$/,
  http_request_method: /^(GET|POST|other)$/,
  url_template: /^[a-z0-9/._{}-]+$/,
  status_class: /^([2-5]xx|none|other)$/,
  signal: /^(traces|metrics)$/,
  kind: /^[a-z]+$/,
  quantile: /^[\d.]+$/,
  le: /^[\d.+Inf]+$/,
  version: /./,
  node_version: /./
}

describe("the labels of metrics", () => {
  it.live(
    "hold what is known, whatever is made up; documents list every metric, and OTLP has the same",
    () =>
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        const port = yield* freePort
        const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
        const connector = yield* ConnectorProcess.serve(
          {
            FLYTE_DATABRICKS_INSTANCE: workspace.url,
            FLYTE_DATABRICKS_ALLOWED_INSTANCES: `${workspace.url},*.example.com`,
            FLYTE_DATABRICKS_METRICS_NAMESPACES: "team-pat",
            OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
            OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
            OTEL_METRIC_EXPORT_INTERVAL: "200",
            OTEL_TRACES_EXPORTER: "none",
            ...World.withConnectorPat
          },
          ["--prometheus_port", String(port)]
        )
        const flyte = yield* FlyteClient.make(`127.0.0.1:${connector.port}`, [])

        const attack = (n: number) =>
          Effect.gen(function* () {
            const name = `${made}-${n}`
            const odd = `${name}"}\n{x="`
            const creates = [
              { namespace: "team-pat", execution: name },
              { namespace: name },
              { namespace: odd },
              { type: odd },
              { project: odd, domain: name, node: odd },
              { custom: { databricksInstance: `${name}.example.com` } },
              { custom: { databricksInstance: odd } },
              { custom: { databricksAuthType: odd } },
              { custom: { databricksClientId: name, databricksAuthType: "oidc_federation" } }
            ].map((options) => flyte.createTask(tasks.createTask(options), { timeout: 2000 }))
            const metadata = new TextEncoder().encode(
              JSON.stringify({ databricks_instance: workspace.url, run_id: String(n), auth_type: odd, namespace: name })
            )
            const about = { resourceMeta: metadata, taskCategory: { name: odd } }
            const polls = [
              flyte.call(agent.getTask, create(Flyte1.GetTaskRequestSchema, about)),
              flyte.getTask(metadata, { timeout: 2000 }),
              flyte.deleteTask(metadata, { timeout: 2000 }),
              flyte.raw(`/flyteidl.service.AsyncAgentService/${name}`, new Uint8Array()),
              flyte.raw(`/${name}/CreateTask`, new Uint8Array()),
              flyte.stream(agent.getTaskLogs, create(Flyte1.GetTaskLogsRequestSchema, about))
            ]
            const calls: ReadonlyArray<Effect.Effect<unknown, FlyteClient.CallFailed>> = [...creates, ...polls]
            yield* Effect.forEach(calls, Effect.exit, { concurrency: 5 })
          })
        for (const status of [429, 503, 418, 599]) {
          yield* workspace.faults.add({ path: "/api/2.1/jobs/runs/submit", action: Fault.status(status), times: 1 })
        }
        yield* attack(0)
        yield* attack(1)
        const before = seriesOf(yield* scrape(port))
        for (let n = 2; n < 7; n++) yield* attack(n)
        const text = yield* scrape(port)
        const after = seriesOf(text)

        assert.notInclude(text, made)
        for (const { name, labels } of after) {
          for (const [label, value] of Object.entries(labels)) {
            assert.match(value, allowed[label] ?? /^never$/, `${name} ${label}`)
          }
        }
        const nameOf = ({ name, labels }: Series) => `${name} ${JSON.stringify(labels)}`
        const known = new Set(before.map(nameOf))
        // Several times as many names, and nothing new but what calls may come to.
        const added = after
          .map(nameOf)
          .filter((one) => !known.has(one) && !/nodejs_gc|status_class|rpc_method/.test(one))
        assert.isAtMost(added.length, 5, added.join("\n"))
        assert.isBelow(after.length, 1500)

        const byNamespace = after.filter(({ name }) => name === "flyte_databricks_runs_submitted_total")
        assert.deepStrictEqual(byNamespace.map(({ labels }) => labels["flyte_namespace"]).toSorted(), [
          "other",
          "team-pat"
        ])

        const families = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = ""]) => name)
        const documented = Docs.read("docs/observability.md")
        assert.deepStrictEqual(
          families.filter((name) => !documented.includes(`\`${name}\``)),
          []
        )

        // Nobody calls any longer: what is counted stays as it is.
        const counted = (name: string) => /^(flyte|rpc|http)/.test(name) && !/otlp_exports|runs_followed/.test(name)
        const ofOtlp = () =>
          receiver.metrics().flatMap((metric) => {
            const name = metric.name.includes(".") ? `${metric.name.replaceAll(".", "_")}_seconds` : metric.name
            if (!counted(name)) return []
            const points = [metric.sum, metric.gauge, metric.histogram, metric.summary].flatMap(
              (data) => data?.dataPoints ?? []
            )
            return points.map((point) => {
              const labels = JSON.stringify(OtlpReceiver.record(point.attributes))
              const isNumber = point.count === undefined
              return `${name}${isNumber ? "" : "_count"} ${labels} ${point.asDouble ?? point.asInt ?? point.count}`
            })
          })
        const ofPrometheus = Effect.map(scrape(port), (text) =>
          seriesOf(text)
            .filter(({ name }) => counted(name) && !/_(bucket|sum)$/.test(name))
            .map(({ name, labels, value }) => `${name} ${JSON.stringify(labels)} ${value}`)
        )
        const expected = (yield* ofPrometheus).toSorted()
        const same = yield* receiver
          .waitFor(() => {
            const found = ofOtlp().toSorted()
            return found.join("\n") === expected.join("\n") ? found : undefined
          })
          .pipe(Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.sync(() => ofOtlp().toSorted()) }))
        assert.deepStrictEqual(same, expected)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    120_000
  )
})
