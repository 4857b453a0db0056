/** What Flyte 2 alone brings: secrets in its requests, one namespace for all projects, arguments with gaps. */
import { create } from "@bufbuild/protobuf"
import { assert, describe } from "@effect/vitest"
import { Flyte2, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Effect } from "effect"
import { flyte2Requests } from "../support/flyte2Requests.ts"
import { jobsTokens, readMetadata, refusal } from "../support/outcomes.ts"
import * as tasks from "../support/tasks.ts"
import { connectFlyte2, createTask } from "../support/versions.ts"
import {
  connectorPat,
  connectorPrincipal,
  scenario,
  teamPat,
  withConnectorPat,
  withConnectorPrincipal
} from "../support/World.ts"

const service = grpcServiceDefinition(Flyte2.AsyncConnectorService)
const ownToken = { databricks_token: teamPat.token }
const namingIt = { custom: { secrets: { databricks_token: "my-token" } } }
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

describe("a task that brings its own token", () => {
  scenario("runs as its owner, before the connector's, and is followed and cancelled so", ({ workspace, serving }) =>
    serving(withConnectorPat, ({ flyte, log }) =>
      Effect.gen(function* () {
        const caller = connectFlyte2(flyte, ownToken)
        const resourceMeta = yield* caller.createTask(namingIt)
        assert.strictEqual((yield* caller.getTask(resourceMeta)).phase, "INITIALIZING")
        yield* caller.deleteTask(resourceMeta)
        const [run] = yield* workspace.runs
        assert.deepStrictEqual([run?.creator, run?.lifeCycleState], [teamPat.user, "TERMINATING"])
        assert.deepStrictEqual([...new Set(yield* jobsTokens(workspace))], [teamPat.token])
        for (const { annotations } of log.calls()) {
          assert.deepInclude(annotations, { authType: "pat", origin: "connection of the request", outcome: "ok" })
        }
      })
    )
  )

  scenario("is remembered with the two keys of Flyte 2's own connector: it polls it, and we its", (world) =>
    world.serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const caller = connectFlyte2(flyte, ownToken)
        const resourceMeta = yield* caller.createTask(namingIt)
        const [run] = yield* world.workspace.runs
        const pythons = { databricks_instance: world.workspace.url, run_id: String(run?.runId) }
        assert.strictEqual(new TextDecoder().decode(resourceMeta), JSON.stringify(pythons))
        assert.strictEqual((yield* caller.getTask(bytes(pythons))).phase, "INITIALIZING")
        yield* caller.deleteTask(bytes(pythons))
      })
    )
  )

  scenario("is nobody else's when the token stays away, or is refused", ({ workspace, serving }) =>
    serving(withConnectorPat, (connector) =>
      Effect.gen(function* () {
        const resourceMeta = yield* connectFlyte2(connector.flyte, ownToken).createTask(namingIt)
        yield* workspace.requests.clear
        const without = connectFlyte2(connector.flyte)
        const lost = yield* without.getTask(resourceMeta)
        assert.strictEqual(lost.phase, "FAILED")
        assert.include(lost.message, "connection of the request")
        assert.strictEqual((yield* refusal(connector, without.deleteTask(resourceMeta))).code, "FAILED_PRECONDITION")
        assert.deepStrictEqual(yield* jobsTokens(workspace), [])

        const revoked = connectFlyte2(connector.flyte, { databricks_token: "pat-that-was-revoked" })
        const refused = yield* revoked.getTask(resourceMeta)
        assert.strictEqual(refused.phase, "FAILED")
        assert.include(refused.message, "refused the token")
        assert.deepStrictEqual([...new Set(yield* jobsTokens(workspace))], ["pat-that-was-revoked"])
      })
    )
  )

  scenario("has logs that nobody else's token reads: Flyte asks for them without secrets", ({ workspace, serving }) =>
    serving(withConnectorPat, (connector) =>
      Effect.gen(function* () {
        const { flyte } = connector
        const resourceMeta = yield* connectFlyte2(flyte, ownToken).createTask(namingIt)
        yield* workspace.requests.clear
        const taskCategory = create(Flyte2.TaskCategorySchema, { name: "databricks" })
        const request = create(Flyte2.GetTaskLogsRequestSchema, { resourceMeta, taskCategory })
        const { code, details } = yield* refusal(connector, flyte.stream(service.getTaskLogs, request))
        assert.strictEqual(code, "FAILED_PRECONDITION")
        assert.include(details, "connection of the request")
        assert.deepStrictEqual(yield* jobsTokens(workspace), [])
      })
    )
  )

  scenario("runs as its token's owner, since it names it, also beside somebody stronger", ({ workspace, serving }) =>
    serving(withConnectorPrincipal, ({ flyte }) =>
      Effect.gen(function* () {
        const caller = connectFlyte2(flyte, ownToken)
        yield* caller.getTask(yield* caller.createTask(namingIt))
        assert.deepStrictEqual([...new Set(yield* jobsTokens(workspace))], [teamPat.token])
      })
    )
  )

  scenario("runs as somebody stronger where the auth type is theirs, and the token is left alone", (world) =>
    world.serving({ ...withConnectorPrincipal, FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m" }, ({ flyte }) =>
      Effect.gen(function* () {
        const caller = connectFlyte2(flyte, ownToken)
        const resourceMeta = yield* caller.createTask(namingIt)
        assert.deepInclude(readMetadata(resourceMeta), { auth_type: "oauth_m2m", client_id: connectorPrincipal.id })
        yield* caller.getTask(resourceMeta)
        assert.notInclude(yield* jobsTokens(world.workspace), teamPat.token)
      })
    )
  )

  scenario("is refused where the operator lets tasks choose nothing", ({ workspace, serving }) =>
    serving({ ...withConnectorPat, FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false" }, (connector) =>
      Effect.gen(function* () {
        const caller = connectFlyte2(connector.flyte, ownToken)
        const { code, details } = yield* refusal(connector, caller.createTask(namingIt))
        assert.strictEqual(code, "PERMISSION_DENIED")
        assert.include(details, "databricks_token")
        assert.deepStrictEqual(yield* workspace.requests.all(), [])
        // Flyte 2's SDK writes the key with null where a task names no secret.
        yield* connectFlyte2(connector.flyte).createTask({})
      })
    )
  )
})

scenario("a PAT of a namespace or of the connector is in no metadata, since nobody reads it there", (world) =>
  world.serving({ ...withConnectorPat, FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" }, ({ flyte }) =>
    Effect.gen(function* () {
      const caller = connectFlyte2(flyte)
      yield* world.kubernetes.setServiceAccount({ namespace: "team-without", name: "default" })
      for (const [domain, creator] of [
        ["pat", teamPat.user],
        ["without", connectorPat.user]
      ] as const) {
        const resourceMeta = yield* caller.createTask({ project: "team", domain, execution: domain })
        assert.deepInclude(readMetadata(resourceMeta), { auth_type: "pat", auth_token: null })
        assert.strictEqual((yield* caller.getTask(resourceMeta)).phase, "INITIALIZING")
        assert.strictEqual((yield* world.workspace.runs).at(-1)?.creator, creator)
      }
    })
  )
)

const organized = { FLYTE_DATABRICKS_ORG_LABEL: "organization" }

describe("an identity per", () => {
  for (const [template, namespace] of [
    ["{project}-{domain}", "billing-production"],
    ["{domain}", "production"],
    ["{org}-{project}", "flyte-billing"],
    ["{namespace}-{project}", "flyte-billing"]
  ] as const) {
    scenario(`${template} is that of its namespace, ${namespace}`, ({ workspace, kubernetes, serving }) =>
      serving({ FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: template, ...organized }, ({ flyte, log }) =>
        Effect.gen(function* () {
          yield* kubernetes.setSecret({ namespace, name: "databricks-token", data: { token: teamPat.token } })
          const resourceMeta = yield* connectFlyte2(flyte).createTask({})
          assert.strictEqual(readMetadata(resourceMeta)["namespace"], namespace)
          assert.strictEqual((yield* workspace.runs)[0]?.creator, teamPat.user)
          assert.strictEqual(log.calls().at(-1)?.annotations["namespace"], namespace)
        })
      )
    )
  }

  scenario("an organization is nobody's where a label alone says it, and no operator goes by labels", (world) =>
    Effect.gen(function* () {
      const data = { token: teamPat.token }
      yield* world.kubernetes.setSecret({ namespace: "flyte-billing", name: "databricks-token", data })
      yield* world.serving({ FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{org}-{project}" }, (connector) =>
        Effect.gen(function* () {
          const { code, details } = yield* refusal(connector, connectFlyte2(connector.flyte).createTask({}))
          assert.strictEqual(code, "INVALID_ARGUMENT")
          assert.include(details, "asks for org")
        })
      )
      assert.deepStrictEqual(yield* world.workspace.runs, [])
    })
  )

  scenario("what the request does not say is nobody's", ({ serving }) =>
    serving({ ...withConnectorPat, FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" }, (connector) =>
      Effect.gen(function* () {
        const caller = connectFlyte2(connector.flyte)
        const { code, details } = yield* refusal(connector, caller.createTask({ domain: "" }))
        assert.strictEqual(code, "INVALID_ARGUMENT")
        assert.include(details, "asks for domain")
      })
    )
  )
})

describe("the job", () => {
  scenario("has the entrypoint's parameters filled", ({ workspace, serving }) =>
    serving(withConnectorPat, ({ flyte }) =>
      Effect.gen(function* () {
        yield* connectFlyte2(flyte).createTask({ execution: "run-1", node: "a1" })
        const [run] = yield* workspace.runs
        const options = ["--run-base-dir", "s3://flyte/run/", "--org", "local", "--project", "billing"]
        const given = ["--inputs", "s3://flyte/in", "--run-name", "run-1", "--name", "a1", "mod", "m"]
        assert.deepInclude(run?.request, {
          spark_python_task: {
            python_file: "flyteplugins/databricks/entrypoint.py",
            source: "GIT",
            parameters: ["a0", ...options, "--domain", "production", ...given]
          }
        })
      })
    )
  )

  scenario("of each task that Flyte 2's executor sent is taken, or refused for naming no compute", (world) =>
    world.serving({ FLYTE_DATABRICKS_ALLOWED_INSTANCES: world.workspace.url }, ({ flyte }) =>
      Effect.gen(function* () {
        yield* world.workspace.addPat(teamPat.user, "dapi-secret-value")
        for (const { name, request, body } of flyte2Requests) {
          const custom = { ...request.template?.custom, databricksInstance: world.workspace.url }
          const sent = create(Flyte2.CreateTaskRequestSchema, {
            ...request,
            ...(request.template === undefined ? {} : { template: { ...request.template, custom } })
          })
          const called = yield* Effect.result(flyte.call(service.createTask, sent))
          const isTaken = body !== undefined || name === "serverless-environment-key"
          assert.strictEqual(called._tag, isTaken ? "Success" : "Failure", name)
        }
        assert.strictEqual((yield* world.workspace.runs).length, 12)
      })
    )
  )
})

scenario("both Flytes are served at once, and either's attempt is a run of its own", (world) =>
  world.serving({ FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}", ...withConnectorPat }, ({ flyte }) =>
    Effect.gen(function* () {
      const { kubernetes, workspace } = world
      yield* kubernetes.setServiceAccount({ namespace: "billing-production", name: "default" })
      const [flyte1, flyte2] = yield* Effect.all(
        [
          flyte.createTask(tasks.createTask({ execution: "of-flyte-1" })),
          flyte.call(service.createTask, createTask({ execution: "of-flyte-2" }))
        ],
        { concurrency: 2 }
      )
      assert.notStrictEqual(readMetadata(flyte1)["run_id"], readMetadata(flyte2.resourceMeta)["run_id"])
      assert.strictEqual((yield* workspace.runs).length, 2)
      assert.strictEqual((yield* flyte.listAgents).agents.length, 1)
      assert.strictEqual((yield* connectFlyte2(flyte).served).length, 1)
    })
  )
)

scenario("a connector of another name is not here", ({ serving }) =>
  serving({}, ({ flyte }) =>
    Effect.gen(function* () {
      const { getConnector } = grpcServiceDefinition(Flyte2.ConnectorMetadataService)
      const named = (name: string) => flyte.call(getConnector, create(Flyte2.GetConnectorRequestSchema, { name }))
      assert.deepInclude((yield* named("Databricks Connector")).connector, { name: "Databricks Connector" })
      const { code, details } = yield* Effect.flip(named("BigQuery Connector"))
      assert.strictEqual(code, "NOT_FOUND")
      assert.include(details, "Databricks Connector")
    })
  )
)
