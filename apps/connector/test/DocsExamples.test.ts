/** What is in examples/ works with Flyte's own Python packages, as docs/ says of it. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace, KubernetesApi, RunPlan } from "@flyte-databricks/emulators"
import * as Python from "@flyte-databricks/emulators/testing/Python"
import { Flyte1, Flyte2, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Effect, Fiber, FileSystem, Option, Schema, type Scope, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import * as ConnectorProcess from "./support/ConnectorProcess.ts"
import * as World from "./support/World.ts"

const example = (name: string) => fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url))
const support = fileURLToPath(new URL("support", import.meta.url))

const flyte2 = await Effect.runPromise(Python.find("flyteplugins.databricks"))

describe.skipIf(Option.isNone(flyte2))("examples/flyte2, serialised by Flyte 2's SDK,", () => {
  const Templates = Schema.fromJsonString(Schema.Record(Schema.Literals(["example", "sdk", "naming"]), Schema.String))
  const templates = Effect.gen(function* () {
    const { exitCode, stderr, stdout } = yield* Python.run(
      Option.getOrElse(flyte2, () => ""),
      "import flyte2_templates",
      { PYTHONPATH: `${support}:${example("flyte2")}`, PYTHONDONTWRITEBYTECODE: "1" }
    )
    assert.strictEqual(exitCode, 0, stderr)
    const encoded = yield* Schema.decodeUnknownEffect(Templates)(stdout)
    const template = (base64: string) => fromBinary(Flyte2.TaskTemplateSchema, Buffer.from(base64, "base64"))
    return { own: template(encoded.example), sdk: template(encoded.sdk), naming: template(encoded.naming) }
  })

  World.scenario("names no secret, as the SDK's own task does, and runs as its namespace", ({ workspace, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const { own, sdk, naming } = yield* templates
        assert.deepStrictEqual(sdk.custom?.["secrets"], { databricks_token: null })
        assert.deepStrictEqual(naming.custom?.["secrets"], { databricks_token: "my-token" })
        assert.deepStrictEqual(Object.keys(own.custom ?? {}).toSorted(), [
          "databricksConf",
          "executorPath",
          "mainApplicationFile"
        ])
        assert.strictEqual(own.type, "databricks")
        // Without a secret to look up, Flyte's executor sends the task with an empty connection.
        yield* flyte.call(
          grpcServiceDefinition(Flyte2.AsyncConnectorService).createTask,
          create(Flyte2.CreateTaskRequestSchema, {
            template: own,
            connection: {},
            taskExecutionMetadata: {
              namespace: "team-oauth",
              taskExecutionId: {
                nodeExecutionId: {
                  nodeId: "a0",
                  executionId: { project: "billing", domain: "production", name: "r1" }
                }
              }
            }
          })
        )
        const runs = yield* workspace.runs
        assert.deepStrictEqual(
          runs.map(({ runName, creator }) => [runName, creator]),
          [["greetings", World.teamPrincipal.id]]
        )
      })
    )
  )
})

const flytekit = await Effect.runPromise(Python.find("grpc", "flytekitplugins.spark"))

describe.skipIf(Option.isNone(flytekit))("examples/flytekit-local, run by flytekit,", () => {
  const submit = { path: "/api/2.1/jobs/runs/submit" } as const
  const Submitted = Schema.fromJsonString(
    Schema.Struct({ spark_python_task: Schema.Struct({ parameters: Schema.Array(Schema.String) }) })
  )

  /** A connector as a process among the stand-ins, and `through_connector.py run` for a namespace. */
  const laptop = Effect.gen(function* () {
    const directory = yield* FileSystem.FileSystem.use((files) => files.makeTempDirectoryScoped())
    const kubeconfig = `${directory}/kubeconfig`
    const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
    yield* KubernetesApi.make({ tls: true, kubeconfigFile: kubeconfig, secrets: World.namespaceSecrets })
    const { port } = yield* ConnectorProcess.serve({ FLYTE_DATABRICKS_INSTANCE: workspace.url, KUBECONFIG: kubeconfig })
    const run = Effect.fnUntraced(function* (namespace: string, options: ReadonlyArray<string>) {
      const handle = yield* ChildProcess.make(
        Option.getOrElse(flytekit, () => ""),
        ["through_connector.py", "run", ...options, "workflow.py", "greetings", "--name", "ann"],
        {
          cwd: example("flytekit-local"),
          env: {
            DATABRICKS_CONNECTOR: `127.0.0.1:${port}`,
            DATABRICKS_NAMESPACE: namespace,
            PYTHONDONTWRITEBYTECODE: "1",
            FSSPEC_LOCAL_AUTO_MKDIR: "true",
            COLUMNS: "500"
          },
          extendEnv: true,
          forceKillAfter: "10 seconds"
        }
      )
      const said = yield* Effect.forkScoped(handle.all.pipe(Stream.decodeText(), Stream.mkString))
      return { handle, said }
    })
    // By this name flytekit takes files of this machine for those of a bucket.
    return { workspace, run, bucket: ["--raw-output-data-prefix", `local://${directory}`] }
  })

  const live = <E>(name: string, test: Effect.Effect<void, E, NodeServices.NodeServices | Scope.Scope>) =>
    it.live(name, () => test.pipe(Effect.provide(NodeServices.layer)), 180_000)

  live(
    "has Databricks tasks run as the namespace, with inputs and outputs in the bucket, and the others on this machine",
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const { workspace, run, bucket } = yield* laptop
      const { handle, said } = yield* run("team-pat", bucket)

      // What the job does on Databricks: it reads the inputs and writes the outputs, where its arguments say.
      const [request] = yield* workspace.requests.waitFor(submit)
      const { spark_python_task } = yield* Schema.decodeUnknownEffect(Submitted)(request?.body)
      const argument = (name: string) =>
        (spark_python_task.parameters[spark_python_task.parameters.indexOf(name) + 1] ?? "").replace("local://", "")
      const inputs = fromBinary(Flyte1.LiteralMapSchema, yield* files.readFile(argument("--inputs")))
      assert.deepStrictEqual(inputs, literals("name", "ann"))
      const outputs = literals("o0", "hello from Databricks")
      yield* files.writeFile(`${argument("--output-prefix")}/outputs.pb`, toBinary(Flyte1.LiteralMapSchema, outputs))
      // The code went there too.
      assert.isTrue(yield* files.exists(argument("--additional-distribution")))
      const [made] = yield* workspace.runs
      yield* workspace.setRunPlan(made?.runId ?? 0n, RunPlan.plan("succeeds", { pending: 0, running: 0 }))

      assert.strictEqual(Number(yield* handle.exitCode), 0)
      assert.include(yield* Fiber.join(said), "HELLO FROM DATABRICKS")
      assert.strictEqual(made?.creator, World.teamPat.user)
    })
  )

  live(
    "shows the connector's refusal, and computes nothing on this machine in its place",
    Effect.gen(function* () {
      const { workspace, run, bucket } = yield* laptop
      const refused = yield* run("team-without", bucket)
      assert.isAbove(Number(yield* refused.handle.exitCode), 0)
      const said = yield* Fiber.join(refused.said)
      assert.include(said, "No credentials for")
      assert.notInclude(said, "HELLO")
      assert.deepStrictEqual(yield* workspace.runs, [])
    })
  )

  live(
    "asks for a bucket",
    Effect.gen(function* () {
      const { run } = yield* laptop
      const without = yield* run("team-pat", [])
      assert.isAbove(Number(yield* without.handle.exitCode), 0)
      assert.include(yield* Fiber.join(without.said), "give --raw-output-data-prefix a bucket")
    })
  )

  live(
    "cancels the run on Ctrl-C",
    Effect.gen(function* () {
      const { workspace, run, bucket } = yield* laptop
      const { handle } = yield* run("team-pat", bucket)
      yield* workspace.requests.waitFor({ path: "/api/2.1/jobs/runs/get" })
      process.kill(Number(handle.pid), "SIGINT")
      yield* workspace.requests.waitFor({ path: "/api/2.1/jobs/runs/cancel" })
      assert.isAbove(Number(yield* handle.exitCode), 0)
      // By its own clock the workspace goes from the one to the other.
      const [cancelled] = yield* workspace.runs
      assert.include(["TERMINATING", "TERMINATED"], cancelled?.lifeCycleState)
    })
  )
})

const literals = (name: string, stringValue: string) =>
  create(Flyte1.LiteralMapSchema, {
    literals: {
      [name]: {
        value: {
          case: "scalar",
          value: { value: { case: "primitive", value: { value: { case: "stringValue", value: stringValue } } } }
        }
      }
    }
  })
