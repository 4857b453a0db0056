/** A create as its trace shows it, from the caller's own span to each request that was made for it. */
import { assert, describe } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Effect, FileSystem, Layer, Logger, Redacted, Tracer } from "effect"
import * as Telemetry from "../../src/telemetry/Telemetry.ts"
import * as OtlpReceiver from "../support/OtlpReceiver.ts"
import * as tasks from "../support/tasks.ts"
import {
  federated,
  connectorPrincipal,
  scenario,
  teamPat,
  teamPrincipal,
  withConnectorPrincipal,
  type World
} from "../support/World.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const callerSpan = "00f067aa0ba902b7"
const traceparent = `00-${traceId}-${callerSpan}-01`

/** The telemetry of an environment, for a connector in this process. */
const telemetry = (env: Readonly<Record<string, string>>) =>
  Layer.orDie(Telemetry.layer).pipe(
    Layer.provide([ConfigProvider.layer(ConfigProvider.fromEnv({ env })), Logger.layer([])])
  )

const to = ({ url }: OtlpReceiver.OtlpReceiver, more: Readonly<Record<string, string>> = {}) =>
  telemetry({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_BSP_SCHEDULE_DELAY: "50", OTEL_METRICS_EXPORTER: "none", ...more })

const CreateTask = "flyteidl.service.AsyncAgentService/CreateTask"
const server = 2
const client = 3

/** The server span of a call of this trace, once it is there: it is the last to end. */
const served = (receiver: OtlpReceiver.OtlpReceiver, method = CreateTask) =>
  receiver.waitFor(() => receiver.spans.find(({ name, kind }) => name === method && kind === server))

const connectorSubject = "system:serviceaccount:flyte:flyteconnector"
const namespaceSubject = "system:serviceaccount:team-oidc:spark"

const modes = [
  {
    name: "PAT of the namespace",
    namespace: "team-pat",
    prepare: () => Effect.succeed({}),
    authType: "pat",
    identity: "owner of the PAT",
    place: "Secret databricks-token in namespace team-pat",
    templates: ["/api/v1/namespaces/{namespace}/secrets/{name}", "/api/2.1/jobs/runs/submit"],
    grant: undefined
  },
  {
    name: "OAuth M2M of the namespace",
    namespace: "team-oauth",
    prepare: () => Effect.succeed({}),
    authType: "oauth_m2m",
    identity: teamPrincipal.id,
    place: "Secret databricks-oauth in namespace team-oauth",
    templates: ["/api/v1/namespaces/{namespace}/secrets/{name}", "/oidc/v1/token", "/api/2.1/jobs/runs/submit"],
    grant: "TokenEndpoint.clientCredentials"
  },
  {
    name: "OIDC federation as the connector (Model 1)",
    namespace: "team-without",
    prepare: (world: World) =>
      Effect.gen(function* () {
        const file = `${world.directory}/jwt`
        const jwt = yield* world.kubernetes.mintToken({ sub: connectorSubject, aud: "databricks" })
        yield* federated(world, "sp-model-1", connectorSubject)
        yield* FileSystem.FileSystem.use((files) => files.writeFileString(file, Redacted.value(jwt)))
        return { FLYTE_DATABRICKS_CLIENT_ID: "sp-model-1", FLYTE_DATABRICKS_OIDC_TOKEN_FILE: file }
      }).pipe(Effect.provide(NodeServices.layer)),
    authType: "oidc_federation",
    identity: "sp-model-1",
    place: "client id and projected JWT of the connector (Model 1)",
    templates: ["/oidc/v1/token", "/api/2.1/jobs/runs/submit"],
    grant: "TokenEndpoint.tokenExchange"
  },
  {
    name: "OIDC federation as a ServiceAccount of the namespace (Model 2)",
    namespace: "team-oidc",
    prepare: (world: World) =>
      Effect.andThen(
        federated(world, "sp-model-2", namespaceSubject),
        world.kubernetes.setServiceAccount({
          namespace: "team-oidc",
          name: "spark",
          labels: { "flyte.org/databricks-enabled": "true" },
          annotations: { "flyte.org/databricks-client-id": "sp-model-2" }
        })
      ).pipe(Effect.as({})),
    authType: "oidc_federation",
    identity: "sp-model-2",
    place: "ServiceAccounts labelled flyte.org/databricks-enabled=true in namespace team-oidc",
    templates: [
      "/api/v1/namespaces/{namespace}/serviceaccounts",
      "/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
      "/oidc/v1/token",
      "/api/2.1/jobs/runs/submit"
    ],
    grant: "TokenEndpoint.tokenExchange"
  }
] as const

describe.each(["http/json", "http/protobuf"])("a create, by %s,", (protocol) => {
  for (const { name, namespace, prepare, authType, identity, place, templates, grant } of modes) {
    scenario(`with ${name} is one trace, the caller's`, (world) =>
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        const env = yield* prepare(world)
        const headers = { OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20of-the-collector" }
        yield* world.serving(
          env,
          ({ flyte }) =>
            flyte.createTask(tasks.createTask({ namespace }), { headers: { traceparent, tracestate: "vendor=1" } }),
          { references: to(receiver, { OTEL_EXPORTER_OTLP_PROTOCOL: protocol, ...headers }) }
        )
        const call = yield* served(receiver)
        const { spans } = receiver
        const of = (wanted: string) => spans.filter((span) => span.name === wanted)
        const [runId] = (yield* world.workspace.runs).map((run) => String(run.runId))

        assert.deepStrictEqual([...new Set(spans.map((span) => span.traceId))], [traceId])
        assert.strictEqual(call.parentSpanId, callerSpan)
        assert.deepInclude(call.attributes, {
          "rpc.system.name": "grpc",
          "rpc.method": CreateTask,
          "rpc.response.status_code": "OK",
          "w3c.tracestate": "vendor=1",
          "flyte.task_type": "databricks",
          "flyte.namespace": namespace,
          "databricks.auth_type": authType,
          "databricks.identity": identity,
          "databricks.run_id": runId
        })
        // Each has its parent in the trace.
        const ids = new Set([callerSpan, ...spans.map(({ spanId }) => spanId)])
        assert.deepStrictEqual(
          spans.filter(({ parentSpanId }) => !ids.has(parentSpanId ?? "")),
          []
        )

        const [resolve] = of("DatabricksAuth.resolve")
        const places = resolve!.events.filter((event) => event.name === "place").map((event) => event.attributes)
        assert.strictEqual(places.at(-1)?.["outcome"], "used")
        assert.include(String(places.at(-1)?.["place"]), place)

        const [header] = of("DatabricksAuth.getHeader")
        assert.deepInclude(header!.attributes, { cache: "miss", "databricks.auth_type": authType })
        assert.deepStrictEqual(
          spans.flatMap((span) => (span.name.startsWith("TokenEndpoint.") ? [span.name] : [])),
          grant === undefined ? [] : [grant]
        )

        const requests = spans.filter(({ kind }) => kind === client)
        assert.includeMembers(
          requests.map(({ attributes }) => attributes["url.template"]),
          [...templates]
        )
        const [submit] = of("POST /api/2.1/jobs/runs/submit")
        const { hostname, port } = new URL(world.workspace.url)
        assert.deepStrictEqual(submit!.attributes, {
          "http.request.method": "POST",
          "url.template": "/api/2.1/jobs/runs/submit",
          "server.address": hostname,
          "server.port": protocol === "http/json" ? Number(port) : port,
          "http.response.status_code": protocol === "http/json" ? 200 : "200"
        })
        assert.deepInclude(receiver.resources[0], { "service.name": "flyte-databricks-connector" })

        // What the collector is sent with is for its eyes alone, and so are the tokens of tasks.
        assert.strictEqual(receiver.headers[0]?.authorization, "Bearer of-the-collector")
        const sent = receiver.bodies.join("\n")
        const tokens = (yield* world.workspace.requests.all()).flatMap(
          (request) => request.headers["authorization"]?.replace(/^\w+ /, "") ?? []
        )
        assert.isNotEmpty(tokens)
        const secrets = [teamPat.token, teamPrincipal.secret, connectorPrincipal.secret, "of-the-collector"]
        for (const secret of [...secrets, Redacted.value(world.kubernetes.token), ...tokens]) {
          assert.notInclude(sent, secret)
        }
      }).pipe(Effect.scoped)
    )
  }
})

describe("a trace", () => {
  scenario("is made by nobody where there is nowhere to send it", (world) =>
    Effect.gen(function* () {
      const made: Array<string> = []
      const counting = Tracer.make({
        span: (options) => {
          made.push(options.name)
          return new Tracer.NativeSpan(options)
        }
      })
      const serve = (references: Layer.Layer<never>) =>
        world.serving(
          {},
          ({ flyte }) =>
            Effect.gen(function* () {
              const task = tasks.createTask({ namespace: "team-oauth" })
              const resourceMeta = yield* flyte.createTask(task, { headers: { traceparent } })
              yield* flyte.getTask(resourceMeta)
            }),
          { references: Layer.merge(references, Layer.succeed(Tracer.Tracer, counting)) }
        )
      yield* serve(telemetry({}))
      assert.deepStrictEqual(made, [])
      yield* serve(Layer.empty)
      assert.include(made, CreateTask)
    })
  )

  scenario("says that a token was there, and calls without a caller's trace are traces of their own", (world) =>
    Effect.gen(function* () {
      const receiver = yield* OtlpReceiver.make
      yield* world.serving(
        withConnectorPrincipal,
        ({ flyte }) =>
          Effect.gen(function* () {
            const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-oauth" }))
            yield* flyte.getTask(resourceMeta)
          }),
        { references: to(receiver, { OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }) }
      )
      yield* served(receiver, "flyteidl.service.AsyncAgentService/GetTask")
      const caches = receiver.spans
        .filter(({ name }) => name === "DatabricksAuth.getHeader")
        .map(({ attributes }) => attributes["cache"])
      assert.deepStrictEqual(caches, ["miss", "hit"])
      // Nobody was in a trace before: each call is one.
      assert.lengthOf([...new Set(receiver.spans.map((span) => span.traceId))], 2)
    }).pipe(Effect.scoped)
  )

  scenario("of a refusal says who was refused why, and is no failure of the server", (world) =>
    Effect.gen(function* () {
      const receiver = yield* OtlpReceiver.make
      yield* world.serving(
        {},
        ({ flyte }) => Effect.flip(flyte.createTask(tasks.createTask({ namespace: "team-nobody" }))),
        { references: to(receiver, { OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }) }
      )
      const { attributes, status } = yield* served(receiver)
      assert.deepInclude(attributes, {
        "rpc.response.status_code": "FAILED_PRECONDITION",
        "flyte.outcome": "CredentialsMissing"
      })
      assert.notProperty(attributes, "error.type")
      assert.strictEqual(status?.code, 0)
    }).pipe(Effect.scoped)
  )

  scenario("that a caller does not keep is not sent, whatever else is malformed", (world) =>
    Effect.gen(function* () {
      const receiver = yield* OtlpReceiver.make
      const calls = [`00-${traceId}-${callerSpan}-00`, traceparent.toUpperCase(), "x".repeat(5000)]
      yield* world.serving(
        {},
        ({ flyte }) =>
          Effect.forEach(calls, (given, index) =>
            flyte.createTask(tasks.createTask({ execution: `e${index}` }), { headers: { traceparent: given } })
          ),
        { references: to(receiver, { OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }) }
      )
      const found = yield* receiver.waitFor(() => {
        const all = receiver.spans.filter(({ kind }) => kind === server)
        return all.length < 2 ? undefined : all
      })
      assert.lengthOf(found, 2)
      assert.isFalse(receiver.spans.some((span) => span.traceId === traceId))
      assert.isTrue(found.every(({ parentSpanId }) => parentSpanId === undefined))
    }).pipe(Effect.scoped)
  )
})
