/** Who a task's run is, from its creation to its end, whatever the operator sets in between. */
import { assert, describe } from "@effect/vitest"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import { Effect } from "effect"
import { phaseOf } from "./support/FlyteClient.ts"
import { jobsTokens, readMetadata, refusal, verdict } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import {
  connectorPat,
  connectorPrincipal,
  scenario,
  teamPat,
  teamPrincipal,
  withConnectorPat,
  withConnectorPrincipal,
  workspaceOptions
} from "./support/World.ts"

const everything = { ...withConnectorPat, ...withConnectorPrincipal }

/** What is recorded of client credentials, wherever they are from. */
const ofPair = (namespace: string) => ({
  auth_token: null,
  auth_type: "oauth_m2m",
  client_id: null,
  oauth_secret_name: null,
  oidc_token_file: null,
  oidc_service_account: null,
  oidc_audience: null,
  namespace
})

const identities = [
  {
    name: "the namespace's PAT",
    namespace: "team-pat",
    env: {},
    principal: teamPat.user,
    log: { authType: "pat", identity: "owner of the PAT", origin: "Secret team-pat/databricks-token" },
    // The metadata names no Secret, only its token.
    followed: { origin: "auth_token of the job metadata" },
    metadata: { auth_token: teamPat.token }
  },
  {
    name: "the namespace's service principal, before anything of the connector",
    namespace: "team-oauth",
    env: everything,
    principal: teamPrincipal.id,
    log: { authType: "oauth_m2m", identity: teamPrincipal.id, origin: "Secret team-oauth/databricks-oauth" },
    followed: {},
    metadata: { ...ofPair("team-oauth"), client_id: teamPrincipal.id, oauth_secret_name: "databricks-oauth" }
  },
  {
    name: "the connector's service principal, before its PAT",
    namespace: "team-without",
    env: everything,
    principal: connectorPrincipal.id,
    log: { authType: "oauth_m2m", identity: connectorPrincipal.id, origin: "connector" },
    followed: {},
    metadata: { ...ofPair("team-without"), client_id: connectorPrincipal.id }
  },
  {
    name: "the connector's PAT",
    namespace: "team-without",
    env: withConnectorPat,
    principal: connectorPat.user,
    log: { authType: "pat", identity: "owner of the PAT", origin: "connector" },
    followed: {},
    metadata: {}
  }
]

describe("a task runs as", () => {
  for (const { name, namespace, env, principal, log: logged, followed, metadata } of identities) {
    scenario(`${name}: created, followed and cancelled`, ({ workspace, serving }) =>
      serving(env, ({ flyte, log }) =>
        Effect.gen(function* () {
          const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace }))
          assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
          yield* flyte.deleteTask(resourceMeta)
          yield* flyte.getTask(resourceMeta)

          const [run, ...more] = yield* workspace.runs
          assert.deepStrictEqual(more, [])
          assert.strictEqual(run?.creator, principal)
          assert.strictEqual(run?.lifeCycleState, "TERMINATING")
          assert.deepStrictEqual(readMetadata(resourceMeta), {
            databricks_instance: workspace.url,
            run_id: String(run?.runId),
            ...metadata
          })
          const lines = log.calls()
          assert.deepStrictEqual(
            lines.map(({ message }) => message),
            ["CreateTask", "GetTask", "DeleteTask", "GetTask"]
          )
          for (const { annotations, level, message } of lines) {
            assert.strictEqual(level, message === "GetTask" ? "DEBUG" : "INFO")
            const { taskType, instance, runId, outcome } = annotations
            assert.deepInclude(
              annotations,
              message === "CreateTask" ? { ...logged, namespace } : { ...logged, ...followed }
            )
            if (message !== "CreateTask")
              assert.strictEqual(annotations["namespace"], Reflect.get(metadata, "namespace"))
            assert.deepStrictEqual(
              [taskType, instance, runId, outcome],
              ["databricks", workspace.url, String(run?.runId), "ok"]
            )
            assert.isNumber(annotations["durationMs"])
          }
          assert.strictEqual(lines[0]?.annotations["execution"], "billing:production:f0c1d2e3")
        })
      )
    )
  }
})

describe("a run keeps its identity when the connector restarts with", () => {
  const changes = [
    { was: identities[0], now: { FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m", ...withConnectorPrincipal } },
    { was: identities[1], now: { FLYTE_DATABRICKS_AUTH_TYPE: "pat", ...withConnectorPat } },
    { was: identities[2], now: { FLYTE_DATABRICKS_AUTH_TYPE: "pat", ...everything } },
    { was: identities[3], now: { FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m", ...everything } }
  ]

  for (const { was, now } of changes) {
    const [setting] = Object.entries(now)
    scenario(`${setting?.join("=")}: ${was?.name}`, ({ workspace, serving }) =>
      Effect.gen(function* () {
        const { env = {}, namespace = "", principal = "" } = was ?? {}
        const resourceMeta = yield* serving(env, ({ flyte }) => flyte.createTask(tasks.createTask({ namespace })))
        // The workspace lets nobody but the creator see a run.
        yield* serving(now, ({ flyte, log }) =>
          Effect.gen(function* () {
            assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
            yield* flyte.deleteTask(resourceMeta)
            assert.deepStrictEqual(
              log.calls().map(({ annotations }) => [annotations["authType"], annotations["origin"]]),
              Array.from({ length: 2 }, () => [was?.log.authType, was?.followed.origin ?? was?.log.origin])
            )
          })
        )
        const [run] = yield* workspace.runs
        assert.deepStrictEqual([run?.creator, run?.lifeCycleState], [principal, "TERMINATING"])
      })
    )
  }

  scenario("FLYTE_DATABRICKS_NAMESPACE_IDENTITY=require: or not at all, where it was the connector's", (world) =>
    Effect.gen(function* () {
      const { workspace } = world
      const task = tasks.createTask({ namespace: "team-without" })
      const resourceMeta = yield* world.serving(withConnectorPat, ({ flyte }) => flyte.createTask(task))
      yield* workspace.requests.clear
      const now = { FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require", ...withConnectorPat }
      yield* world.serving(now, (connector) =>
        Effect.gen(function* () {
          const { phase, message } = yield* verdict(connector, connector.flyte.getTask(resourceMeta))
          assert.strictEqual(phase, "FAILED")
          assert.include(message, "FLYTE_DATABRICKS_NAMESPACE_IDENTITY")
          assert.deepStrictEqual(yield* jobsTokens(workspace), [])
        })
      )
    })
  )

  scenario("a Secret in the namespace that would win today", ({ workspace, kubernetes, serving }) =>
    Effect.gen(function* () {
      const namespace = "team-without"
      const resourceMeta = yield* serving(withConnectorPat, ({ flyte }) =>
        flyte.createTask(tasks.createTask({ namespace }))
      )
      const data = { client_id: teamPrincipal.id, client_secret: teamPrincipal.secret }
      yield* kubernetes.setSecret({ namespace, name: "databricks-oauth", data })
      yield* serving(withConnectorPat, ({ flyte }) => flyte.getTask(resourceMeta))
      assert.deepStrictEqual(yield* jobsTokens(workspace, "get"), [connectorPat.token])
    })
  )
})

describe("what a task says of itself", () => {
  const pat = { databricksAuthType: "pat" }
  const both = { client_id: teamPrincipal.id, client_secret: teamPrincipal.secret }

  scenario("its auth type wins over the operator's", ({ workspace, serving }) =>
    serving({ FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m", ...everything }, ({ flyte }) =>
      Effect.gen(function* () {
        yield* flyte.createTask(tasks.createTask({ custom: pat }))
        assert.deepStrictEqual(yield* jobsTokens(workspace), [teamPat.token])
      })
    )
  )

  scenario("it names its Secrets", ({ workspace, kubernetes, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const namespace = "team-odd"
        yield* kubernetes.setSecret({ namespace, name: "my-token", data: { token: teamPat.token } })
        yield* kubernetes.setSecret({ namespace, name: "my-oauth", data: both })
        yield* flyte.createTask(
          tasks.createTask({ namespace, custom: { ...pat, databricksTokenSecret: "my-token" }, node: "n0" })
        )
        yield* flyte.createTask(
          tasks.createTask({ namespace, custom: { databricksOauthSecret: "my-oauth" }, node: "n1" })
        )
        const runs = yield* workspace.runs
        assert.deepStrictEqual(
          runs.map(({ creator }) => creator),
          [teamPat.user, teamPrincipal.id]
        )
      })
    )
  )

  scenario("it names its instance, if the operator lists it", ({ workspace, serving }) =>
    Effect.gen(function* () {
      const other = yield* DatabricksWorkspace.make(workspaceOptions)
      const FLYTE_DATABRICKS_ALLOWED_INSTANCES = `${workspace.url}, ${other.url}`
      yield* serving({ FLYTE_DATABRICKS_ALLOWED_INSTANCES }, ({ flyte }) =>
        Effect.gen(function* () {
          const resourceMeta = yield* flyte.createTask(tasks.createTask({ custom: { databricksInstance: other.url } }))
          yield* flyte.getTask(resourceMeta)
          assert.strictEqual(readMetadata(resourceMeta)["databricks_instance"], other.url)
        })
      )
      assert.deepStrictEqual([(yield* workspace.requests.all()).length, (yield* other.runs).length], [0, 1])
    }).pipe(Effect.scoped)
  )

  scenario("it names a client id: the connector's secret goes with no other than its own", ({ workspace, serving }) =>
    serving(everything, (connector) =>
      Effect.gen(function* () {
        const naming = (databricksClientId: string) =>
          connector.flyte.createTask(tasks.createTask({ namespace: "team-without", custom: { databricksClientId } }))
        const { code, details } = yield* refusal(connector, naming("sp-of-another"))
        assert.strictEqual(code, "FAILED_PRECONDITION")
        assert.include(details, "sp-of-another")
        assert.include(details, connectorPrincipal.id)
        assert.deepStrictEqual(yield* workspace.requests.all(), [])
        yield* naming(connectorPrincipal.id)
        assert.strictEqual((yield* workspace.runs)[0]?.creator, connectorPrincipal.id)
      })
    )
  )

  scenario("it may say nothing where the operator does not let it", ({ workspace, serving }) =>
    serving({ FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false" }, (connector) =>
      Effect.gen(function* () {
        const { code, details } = yield* refusal(
          connector,
          connector.flyte.createTask(tasks.createTask({ custom: { ...pat, databricksTokenSecret: "my-token" } }))
        )
        assert.strictEqual(code, "PERMISSION_DENIED")
        assert.include(details, "databricksAuthType, databricksTokenSecret")
        assert.include(details, "FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE=false")
        assert.deepStrictEqual(yield* workspace.requests.all(), [])
      })
    )
  )
})

scenario("a project without a namespace is refused, not the connector", (world) =>
  world.serving({ FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}", ...everything }, (connector) =>
    Effect.gen(function* () {
      const { workspace } = world
      const call = connector.flyte.createTask(tasks.createTask({ namespace: "flyte", project: "unknown" }))
      const { code, details } = yield* refusal(connector, call)
      assert.strictEqual(code, "FAILED_PRECONDITION")
      assert.include(details, "Namespace unknown-production does not exist")
      assert.deepStrictEqual(yield* workspace.requests.all(), [])
    })
  )
)

scenario(
  "an operator of Flyte 2 gives each project and domain a namespace of its own",
  ({ workspace, kubernetes, serving }) =>
    serving({ FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" }, ({ flyte }) =>
      Effect.gen(function* () {
        const data = { token: teamPat.token }
        yield* kubernetes.setSecret({ namespace: "billing-production", name: "databricks-token", data })
        const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "flyte" }))
        assert.strictEqual(readMetadata(resourceMeta)["auth_token"], teamPat.token)
        assert.deepStrictEqual(yield* jobsTokens(workspace), [teamPat.token])
      })
    )
)
