/** `connector` as a process: how it starts, or says why it does not. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace, KubernetesApi } from "@flyte-databricks/emulators"
import * as Log from "@flyte-databricks/emulators/testing/Log"
import { Effect, FileSystem, Redacted } from "effect"
import * as ConnectorProcess from "./support/ConnectorProcess.ts"
import * as FlyteClient from "./support/FlyteClient.ts"
import * as tasks from "./support/tasks.ts"
import * as World from "./support/World.ts"

const slow = 60_000

/** A stack trace, which says nothing to whoever set the wrong value. */
const stackTrace = /\n\s+at .*:\d+:\d+/

describe("connector serve does not start", () => {
  const cases = [
    {
      what: "with an unknown auth type",
      env: { FLYTE_DATABRICKS_AUTH_TYPE: "kerberos" },
      says: ["FLYTE_DATABRICKS_AUTH_TYPE", '"kerberos"', "pat", "oauth_m2m", "oidc_federation"]
    },
    {
      what: "with an instance that no credential may go to",
      env: { FLYTE_DATABRICKS_INSTANCE: "https://ann:hunter2@dbc-a1b2.cloud.databricks.com" },
      says: ["Databricks instance", "is refused", "user information"]
    },
    {
      what: "with an unknown log format",
      env: { FLYTE_DATABRICKS_LOG_FORMAT: "xml" },
      says: ["FLYTE_DATABRICKS_LOG_FORMAT", "pretty", "json"]
    },
    {
      what: "with a kubeconfig that is not there",
      env: { KUBECONFIG: "/nowhere/kubeconfig" },
      says: ["/nowhere/kubeconfig", "KUBECONFIG", "does not exist"]
    },
    {
      what: "with a port that is none",
      args: ["--port", "70000"],
      says: ["--port", "70000", "a whole number from 0 to 65535"]
    },
    {
      what: "with a limit that lets nothing in",
      env: { FLYTE_DATABRICKS_MAX_MESSAGE_BYTES: "-1" },
      says: ["FLYTE_DATABRICKS_MAX_MESSAGE_BYTES", '"-1"', "a size such as"]
    },
    {
      what: "with a drain timeout that is no time",
      env: { FLYTE_DATABRICKS_DRAIN_TIMEOUT: "soon" },
      says: ["FLYTE_DATABRICKS_DRAIN_TIMEOUT", '"soon"', "a duration such as 5s"]
    },
    {
      what: "with a patience that is no time",
      env: { FLYTE_DATABRICKS_POLL_PATIENCE: "long" },
      says: ["FLYTE_DATABRICKS_POLL_PATIENCE", '"long"', "a duration such as 5s"]
    },
    {
      what: "with a patience without end",
      env: { FLYTE_DATABRICKS_POLL_PATIENCE: "Infinity" },
      says: ["FLYTE_DATABRICKS_POLL_PATIENCE", "a duration"]
    },
    {
      what: "with a task type that it does not know",
      env: { FLYTE_DATABRICKS_TASK_TYPES: "databricks, snowflake" },
      says: ["FLYTE_DATABRICKS_TASK_TYPES", "snowflake", "spark"]
    },
    {
      what: "with no task type",
      env: { FLYTE_DATABRICKS_TASK_TYPES: "," },
      says: ["FLYTE_DATABRICKS_TASK_TYPES"]
    },
    { what: "with a flag that it does not know", args: ["--prot", "8000"], says: ["--prot"] }
  ]

  for (const { what, env = {}, args = ["--port", "0"], says } of cases) {
    it.live(
      `${what}: exit code 1, and words that name it`,
      () =>
        Effect.gen(function* () {
          const { exitCode, stderr, stdout } = yield* ConnectorProcess.finished(["serve", ...args], env)
          assert.strictEqual(exitCode, 1)
          const output = `${stdout}\n${stderr}`
          for (const fragment of says) assert.include(output, fragment)
          assert.notMatch(output, stackTrace)
          assert.notInclude(output, "hunter2")
          assert.notInclude(output, "is listening")
        }).pipe(Effect.provide(NodeServices.layer)),
      slow
    )
  }

  it.live(
    "on a port that is taken: exit code 1, and the address",
    () =>
      Effect.gen(function* () {
        const { port } = yield* ConnectorProcess.serve({})
        const args = ["serve", "--host", "127.0.0.1", "--port", String(port)]
        const { exitCode, stderr } = yield* ConnectorProcess.finished(args)
        assert.strictEqual(exitCode, 1)
        assert.include(stderr, "The connector did not start.")
        assert.include(stderr, `Cannot listen on 127.0.0.1:${port}`)
        assert.include(stderr, "--port")
        assert.notMatch(stderr, stackTrace)
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )
})

describe("connector serve, where nobody looks at a terminal,", () => {
  it.live(
    "says as JSON what it runs with, then a line for each call, and never a secret",
    () =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const directory = yield* files.makeTempDirectoryScoped()
        const kubeconfig = `${directory}/kubeconfig`
        const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
        const kubernetes = yield* KubernetesApi.make({
          tls: true,
          kubeconfigFile: kubeconfig,
          secrets: World.namespaceSecrets
        })
        const connector = yield* ConnectorProcess.serve({
          FLYTE_DATABRICKS_INSTANCE: workspace.url,
          FLYTE_DATABRICKS_AUTH_TYPE: "pat",
          KUBECONFIG: kubeconfig,
          ...World.withConnectorPat,
          ...World.withConnectorPrincipal
        })
        const flyte = yield* FlyteClient.make(`127.0.0.1:${connector.port}`, [])
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        yield* flyte.getTask(resourceMeta)
        yield* flyte.deleteTask(resourceMeta)
        const refused = yield* Effect.flip(flyte.createTask(tasks.createTask({ namespace: "No Such" })))
        yield* connector.signal("SIGTERM")
        assert.strictEqual(yield* connector.exitCode, 0)

        const log = yield* connector.log
        const lines = log.map((line) => Log.read(line))
        const [listening] = lines
        assert.strictEqual(listening?.message, `Databricks Connector is listening on 127.0.0.1:${connector.port}`)
        assert.deepInclude(listening?.annotations, {
          port: connector.port,
          instance: workspace.url,
          authType: "pat",
          connectorPat: "set",
          connectorClientId: World.connectorPrincipal.id,
          connectorJwt: "none",
          connectorClientSecret: "set"
        })
        assert.include(String(listening?.annotations["kubernetes"]), kubernetes.url)

        const run = (yield* workspace.runs)[0]?.runId
        const known = {
          taskType: "databricks",
          instance: workspace.url,
          authType: "pat",
          identity: "owner of the PAT",
          origin: "auth_token of the job metadata",
          runId: String(run),
          outcome: "ok"
        }
        const execution = "billing:production:f0c1d2e3"
        const made = { creator: World.teamPat.user, runAs: World.teamPat.user }
        const created = { namespace: "team-pat", origin: "Secret team-pat/databricks-token", execution }
        assert.deepStrictEqual(
          (yield* connector.calls).map(({ level, message, annotations: { durationMs, ...facts } }) => {
            assert.isNumber(durationMs)
            return { level, message, facts }
          }),
          [
            { level: "INFO", message: "CreateTask", facts: { ...known, ...created } },
            { level: "DEBUG", message: "GetTask", facts: { ...known, ...made, phase: "INITIALIZING" } },
            { level: "INFO", message: "DeleteTask", facts: known },
            {
              level: "WARN",
              message: `CreateTask: ${refused.details.replace(/ \[FDC006, [^\]]+\]$/, "")}`,
              facts: {
                taskType: "databricks",
                namespace: "No Such",
                execution,
                outcome: "NamespaceInvalid",
                code: "FDC006"
              }
            }
          ]
        )
        assert.strictEqual(lines.at(-1)?.message, "Stopped")
        const secrets = [World.teamPat.token, World.connectorPat.token, World.connectorPrincipal.secret]
        for (const secret of [...secrets, Redacted.value(kubernetes.token)]) assert.notInclude(log.join("\n"), secret)
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )
})

describe("--help", () => {
  it.live(
    "helps with every command there is",
    () =>
      Effect.gen(function* () {
        const root = yield* ConnectorProcess.finished(["--help"])
        assert.strictEqual(root.exitCode, 0)
        const [, list = ""] = root.stdout.split("SUBCOMMANDS")
        const commands = [...list.matchAll(/^ {2}(\S+) /gm)].map(([, name]) => name ?? "")
        assert.include(commands, "serve")
        for (const command of commands) {
          const { exitCode, stdout } = yield* ConnectorProcess.finished([command, "--help"])
          assert.strictEqual(exitCode, 0)
          assert.include(stdout, "USAGE")
          assert.include(stdout, `connector ${command}`)
        }
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )

  it.live(
    "says of serve where each setting comes from",
    () =>
      Effect.gen(function* () {
        const { stdout } = yield* ConnectorProcess.finished(["serve", "--help"])
        const settings = ["LISTEN_HOST", "LISTEN_PORT", "MAX_MESSAGE_BYTES", "MAX_CONCURRENT_STREAMS", "DRAIN_TIMEOUT"]
        for (const setting of settings) {
          const flag = setting.replace("LISTEN_", "").toLowerCase().replaceAll("_", "-")
          assert.include(stdout, `--${flag}`)
          assert.include(stdout, `FLYTE_DATABRICKS_${setting}`)
        }
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )

  it.live(
    "is what somebody gets who says nothing",
    () =>
      Effect.gen(function* () {
        const { stdout, stderr } = yield* ConnectorProcess.finished([])
        assert.include(`${stdout}${stderr}`, "connector <subcommand>")
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )
})
