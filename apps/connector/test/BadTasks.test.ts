/** Tasks that cannot run: what their authors hear, before any credential was looked at or sent. */
import { create, type MessageInitShape } from "@bufbuild/protobuf"
import { assert, describe } from "@effect/vitest"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { Effect } from "effect"
import type { CallFailed } from "./support/FlyteClient.ts"
import { readMetadata, refusal, verdict } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import { type Connector, scenario, withConnectorPat, withConnectorPrincipal, type World } from "./support/World.ts"

interface Case {
  readonly what: string
  readonly task?: tasks.TaskOptions
  /** Changes to the request, where a task's options do not reach. */
  readonly request?: MessageInitShape<typeof Flyte1.CreateTaskRequestSchema>
  readonly env?: Readonly<Record<string, string>>
  readonly code: string
  readonly outcome: string
  /** What the message has to name: what, where, what to do. */
  readonly says: ReadonlyArray<string>
}

const { template, taskExecutionMetadata } = tasks.fields()
const compute = ["existing_cluster_id", "new_cluster", "environment_key", "environments"]

const cases: ReadonlyArray<Case> = [
  {
    what: "another task type",
    task: { type: "snowflake" },
    code: "NOT_FOUND",
    outcome: "TaskTypeUnknown",
    says: ["Cannot find connector for task type: snowflake.", "spark", "databricks"]
  },
  {
    what: "no template",
    request: { taskExecutionMetadata },
    code: "INVALID_ARGUMENT",
    outcome: "RequestIncomplete",
    says: ["CreateTask", "a task template"]
  },
  {
    what: "no databricksConf",
    request: { template: { ...template, custom: { mainClass: "Main" } }, taskExecutionMetadata },
    code: "INVALID_ARGUMENT",
    outcome: "JobSpecInvalid",
    says: ["custom.databricksConf", "is missing", "databricks_conf"]
  },
  {
    what: "no custom at all",
    request: { template: { type: "databricks", target: template.target }, taskExecutionMetadata },
    code: "INVALID_ARGUMENT",
    outcome: "JobSpecInvalid",
    says: ["custom", "check how the task is configured"]
  },
  {
    what: "a databricksConf that is a list",
    request: { template: { ...template, custom: { databricksConf: [1, 2] } }, taskExecutionMetadata },
    code: "INVALID_ARGUMENT",
    outcome: "JobSpecInvalid",
    says: ["custom.databricksConf", "is a list"]
  },
  {
    what: "no compute",
    task: { databricksConf: { run_name: "nightly" } },
    code: "INVALID_ARGUMENT",
    outcome: "JobSpecInvalid",
    says: ["custom.databricksConf", "names no compute", ...compute]
  },
  {
    what: "neither a container nor a pod",
    request: { template: { type: "databricks", custom: template.custom }, taskExecutionMetadata },
    code: "INVALID_ARGUMENT",
    outcome: "JobSpecInvalid",
    says: ["has no container", "Give the task an image"]
  },
  {
    what: "a pod that is none",
    request: { template: { ...template, target: { case: "k8sPod", value: {} } }, taskExecutionMetadata },
    code: "INVALID_ARGUMENT",
    outcome: "JobSpecInvalid",
    says: ["the pod template is not a Kubernetes pod", "Give it a pod_spec with one container"]
  },
  {
    what: "no instance, of the task or the connector",
    env: { FLYTE_DATABRICKS_INSTANCE: "" },
    code: "INVALID_ARGUMENT",
    outcome: "InstanceMissing",
    says: ["databricks_instance on the task", "FLYTE_DATABRICKS_INSTANCE on the connector"]
  },
  {
    what: "an unknown auth type",
    task: { custom: { databricksAuthType: "kerberos" } },
    code: "INVALID_ARGUMENT",
    outcome: "SettingInvalid",
    says: ["databricksAuthType of the task", '"kerberos"', "pat", "oauth_m2m", "oidc_federation"]
  },
  {
    what: "an auth type that is a number",
    task: { custom: { databricksAuthType: 7 } },
    code: "INVALID_ARGUMENT",
    outcome: "SettingInvalid",
    says: ["databricksAuthType of the task", "expected text"]
  },
  {
    what: "a long auth type, cut in the middle of a character",
    task: { custom: { databricksAuthType: `${"a".repeat(99)}😀` } },
    code: "INVALID_ARGUMENT",
    outcome: "SettingInvalid",
    says: ["databricksAuthType of the task", "a".repeat(50), "oidc_federation"]
  },
  {
    what: "a Secret's name with a path in it",
    task: { custom: { databricksAuthType: "pat", databricksTokenSecret: "../../kube-system/secrets/admin" } },
    code: "INVALID_ARGUMENT",
    outcome: "SettingInvalid",
    says: ["databricksTokenSecret of the task", "the name of a Kubernetes Secret"]
  },
  ...["Team_A", "team-a/secrets", "..", "team a", "tëam", "a\nb", "a".repeat(64), `${"n".repeat(99)}😀`].map(
    (namespace): Case => ({
      what: `the namespace ${JSON.stringify(namespace).slice(0, 30)}`,
      task: { namespace },
      code: "INVALID_ARGUMENT",
      outcome: "NamespaceInvalid",
      says: ["is not a Kubernetes namespace", "lower-case letters", "FLYTE_DATABRICKS_NAMESPACE_TEMPLATE"]
    })
  )
]

const untouched = Effect.fnUntraced(function* ({ workspace, kubernetes }: World) {
  assert.deepStrictEqual(yield* workspace.requests.all(), [])
  assert.deepStrictEqual(yield* kubernetes.requests.all(), [])
})

/** Whatever came before, the next one is served. */
const goesOnServing = Effect.fnUntraced(function* ({ flyte }: Connector, { workspace }: World) {
  yield* flyte.createTask(tasks.createTask({ execution: "next", custom: { databricksInstance: workspace.url } }))
  assert.strictEqual((yield* workspace.runs).length, 1)
})

describe("a task is refused, and the connector goes on serving:", () => {
  for (const { what, task, request, env = {}, code, outcome, says } of cases) {
    scenario(what, (world) =>
      world.serving({ FLYTE_DATABRICKS_ALLOWED_INSTANCES: world.workspace.url, ...env }, (connector) =>
        Effect.gen(function* () {
          const { flyte } = connector
          const asked = request === undefined ? tasks.createTask(task) : create(Flyte1.CreateTaskRequestSchema, request)
          const answer = yield* refusal(connector, flyte.createTask(asked))
          assert.strictEqual(answer.code, code)
          for (const fragment of says) assert.include(answer.details, fragment)
          assert.strictEqual(answer.line?.annotations["outcome"], outcome)
          yield* untouched(world)
          yield* goesOnServing(connector, world)
        })
      )
    )
  }
})

/** Places that no credential may go to. `{port}` is the port of the workspace that is allowed. */
const instances: ReadonlyArray<readonly [instance: string, why: string]> = [
  ["203.0.113.7", "an IP address"],
  ["https://127.0.0.1:{port}", "an IP address"],
  ["http://127.0.0.1:1", "an IP address"],
  ["http://[::1]:{port}", "an IP address"],
  ["http://2130706433:{port}", "http:// is for loopback hosts alone"],
  ["2130706433", "an IP address"],
  ["0x7f000001", "an IP address"],
  ["http://localhost:{port}", "not on the allow-list"],
  ["http://127.0.0.1:{port}/redirect", "a path"],
  ["http://127.0.0.1:{port}?x=", "a query"],
  ["http://127.0.0.1:{port}#@dbc-a1b2.cloud.databricks.com", "user information"],
  ["ann:hunter2-the-password@dbc-a1b2.cloud.databricks.com", "user information"],
  ["https://ann:hunter2-the-password@dbc-a1b2.cloud.databricks.com", "user information"],
  ["dbc-a1b2.cloud.databricks.com:8443", "not on the allow-list"],
  ["dbc-a1b2.cloud.databricks.com.evil.example", "not on the allow-list"],
  ["evilcloud.databricks.us", "not on the allow-list"],
  ["acme.databricks.com.evil.example?o=1", "not on the allow-list"],
  ["cloud.databricks.us", "not on the allow-list"],
  ["dbc-a1b2.cloud.databrıcks.com", "not a host name"],
  ["dbc-a1b2.cloud.databricks.com\r\nx-header: 1", "not a host name"],
  ["file:///etc/passwd", "the scheme file://"],
  ["dbc-a1b2.cloud.databricks.com\\@evil.example", "user information"],
  [`${"a".repeat(5000)}.cloud.databricks.com`, "not a host name"]
]

describe("credentials do not go to", () => {
  for (const [template, why] of instances) {
    scenario(JSON.stringify(template).slice(0, 70), (world) =>
      world.serving({ ...withConnectorPat, ...withConnectorPrincipal }, (connector) =>
        Effect.gen(function* () {
          const { flyte } = connector
          const databricksInstance = template.replace("{port}", new URL(world.workspace.url).port)
          const resourceMeta = new TextEncoder().encode(
            JSON.stringify({ databricks_instance: databricksInstance, run_id: "1", namespace: "team-pat" })
          )
          const withToken = new TextEncoder().encode(
            JSON.stringify({ databricks_instance: databricksInstance, run_id: "1", auth_token: "pat-of-team-pat" })
          )
          const calls: ReadonlyArray<Effect.Effect<unknown, CallFailed>> = [
            flyte.createTask(tasks.createTask({ custom: { databricksInstance } })),
            flyte.deleteTask(resourceMeta)
          ]
          for (const call of calls) {
            const { code, details, line } = yield* refusal(connector, call)
            assert.strictEqual(code, "INVALID_ARGUMENT")
            assert.include(details, "is refused")
            assert.include(details, why)
            assert.include(details, "FLYTE_DATABRICKS_ALLOWED_INSTANCES")
            assert.isBelow(details.length, 1000)
            assert.notInclude(`${details}${JSON.stringify(line)}`, "hunter2")
            assert.strictEqual(line?.annotations["outcome"], "InstanceRefused")
          }
          for (const poll of [flyte.getTask(resourceMeta), flyte.getTask(withToken)]) {
            const { phase, outcome, message } = yield* verdict(connector, poll)
            assert.deepStrictEqual([phase, outcome], ["FAILED", "InstanceRefused"])
            assert.include(message, why)
            assert.isBelow(message.length, 1000)
            assert.notInclude(message, "hunter2")
          }
          yield* untouched(world)
          yield* goesOnServing(connector, world)
        })
      )
    )
  }

  scenario("a host that an operator's list does not have, though it is Databricks' own", (world) =>
    world.serving({ FLYTE_DATABRICKS_ALLOWED_INSTANCES: world.workspace.url }, (connector) =>
      Effect.gen(function* () {
        const databricksInstance = "dbc-a1b2.cloud.databricks.com"
        const call = connector.flyte.createTask(tasks.createTask({ custom: { databricksInstance } }))
        const { details } = yield* refusal(connector, call)
        assert.include(details, `only to ${world.workspace.url};`)
      })
    )
  )
})

scenario("a namespace that is absent has no Secrets, and the connector's identity serves", ({ kubernetes, serving }) =>
  serving(withConnectorPat, ({ flyte }) =>
    Effect.gen(function* () {
      const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "" }))
      assert.hasAllKeys(readMetadata(resourceMeta), ["databricks_instance", "run_id"])
      assert.deepStrictEqual(yield* kubernetes.requests.all(), [])
    })
  )
)
