/** Tasks with pod templates, as Flyte's own code serialises them and sends them on. */
import { create, fromBinary, type JsonObject } from "@bufbuild/protobuf"
import { assert, describe } from "@effect/vitest"
import * as Python from "@flyte-databricks/emulators/testing/Python"
import { Flyte2, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Effect, Option, Schema } from "effect"
import { fileURLToPath } from "node:url"
import { flyte1PodRequest, flyte1PodRequests } from "./support/podRequests.ts"
import { refusal } from "./support/outcomes.ts"
import { scenario, withConnectorPat, type World } from "./support/World.ts"

const Job = Schema.Struct({ spark_python_task: Schema.Struct({ parameters: Schema.Array(Schema.String) }) })

/** The body of the one job that was submitted. */
const submitted = Effect.fnUntraced(function* ({ workspace }: World) {
  const [run, ...more] = yield* workspace.runs
  assert.deepStrictEqual(more, [])
  return run?.request
})

const parametersOf = (body: unknown) => Schema.decodeUnknownSync(Job)(body).spark_python_task.parameters

describe("of a pod that Flyte 1's propeller rendered, the job has", () => {
  const told = {
    FLYTE_FAIL_ON_ERROR: "true",
    FLYTE_INTERNAL_EXECUTION_ID: "exec",
    FLYTE_INTERNAL_EXECUTION_PROJECT: "a",
    FLYTE_INTERNAL_EXECUTION_DOMAIN: "d",
    FLYTE_ATTEMPT_NUMBER: "0",
    FLYTE_INTERNAL_TASK_PROJECT: "a",
    FLYTE_INTERNAL_TASK_DOMAIN: "d",
    FLYTE_INTERNAL_TASK_NAME: "n",
    FLYTE_INTERNAL_TASK_VERSION: "abc"
  }
  const cluster = { spark_version: "15.4.x-scala2.12", node_type_id: "m5.xlarge", num_workers: 1 }
  const newCluster = (url: string, variables: object) => ({
    new_cluster: { ...cluster, docker_image: { url }, spark_conf: {}, spark_env_vars: { ...told, ...variables } }
  })
  const own = "ghcr.io/acme/spark:v1"
  const ofPod = "ghcr.io/acme/pod:v2"

  const taken: ReadonlyArray<readonly [what: string, name: string, job: object]> = [
    [
      "image, arguments and variables, and nothing of where it was to run",
      "pod-image-env-placement",
      newCluster(ofPod, { FROM_POD: "1", FROM_TASK: "of-pod" })
    ],
    ["those of the task, where the pod has labels alone", "pod-labels-only", newCluster(own, { FROM_TASK: "1" })],
    ["those of the one container, whatever its name", "pod-primary-named", newCluster(ofPod, { FROM_TASK: "1" })],
    ["no shared memory", "pod-shared-memory", newCluster(own, { FROM_TASK: "1" })]
  ]
  for (const [what, name, job] of taken) {
    scenario(what, (world) =>
      world.serving(withConnectorPat, ({ flyte }) =>
        Effect.gen(function* () {
          const request = flyte1PodRequest(name)
          yield* flyte.createTask(request)
          const body = yield* submitted(world)
          assert.deepInclude(body, job)
          assert.deepStrictEqual(parametersOf(body).slice(0, 5), [
            "pyflyte-execute",
            "--inputs",
            `${request.outputPrefix}/inputs.pb`,
            "--output-prefix",
            request.outputPrefix
          ])
        })
      )
    )
  }

  scenario("them on serverless compute too", (world) =>
    world.serving(withConnectorPat, ({ flyte }) =>
      Effect.gen(function* () {
        yield* flyte.createTask(flyte1PodRequest("pod-serverless"))
        const environment_vars = { ...told, FROM_TASK: "1", FROM_POD: "1" }
        assert.deepInclude(yield* submitted(world), {
          environments: [{ environment_key: "my-env", spec: { client: "1", environment_vars } }]
        })
      })
    )
  )

  scenario("them for a notebook, whose arguments they are not", (world) =>
    world.serving(withConnectorPat, ({ flyte }) =>
      Effect.gen(function* () {
        yield* flyte.createTask(flyte1PodRequest("pod-notebook"))
        assert.deepInclude(yield* submitted(world), {
          ...newCluster(own, { FROM_TASK: "1", FROM_POD: "1" }),
          notebook_task: { notebook_path: "/Users/ann/etl" }
        })
      })
    )
  )
})

describe("a pod that Flyte 1's propeller rendered is refused for", () => {
  const refused: ReadonlyArray<readonly [says: string, name: string]> = [
    ["more than one container: primary, logger", "pod-sidecar"],
    ["initContainers", "pod-init-container"],
    ["a volume on /scratch", "pod-volume"],
    ["valueFrom of TOKEN", "pod-value-from"],
    ["envFrom", "pod-env-from"],
    ["the reference $(BASE)", "pod-variable-in-variable"],
    // Of the configuration's `default-env-from-secrets`.
    ["envFrom", "operator-env-from"]
  ]
  for (const [says, name] of refused) {
    scenario(`${says} (${name})`, ({ workspace, serving }) =>
      serving(withConnectorPat, (connector) =>
        Effect.gen(function* () {
          const { code, details, line } = yield* refusal(connector, connector.flyte.createTask(flyte1PodRequest(name)))
          assert.strictEqual(code, "INVALID_ARGUMENT")
          assert.include(details, `the pod template has what a job on Databricks has no place for: ${says}. `)
          assert.deepInclude(line?.annotations, { outcome: "JobSpecInvalid", taskType: "databricks" })
          assert.deepStrictEqual(yield* workspace.requests.all(), [])
        })
      )
    )
  }

  scenario("nothing else: all that were recorded are in one list or the other", () =>
    Effect.sync(() => assert.lengthOf(flyte1PodRequests, refused.length + 6))
  )
})

const python = await Effect.runPromise(Python.find("flyteplugins.databricks"))
const directory = (path: string) => fileURLToPath(new URL(path, import.meta.url))

describe.skipIf(Option.isNone(python))("a pod of Flyte 2's SDK", () => {
  const Templates = Schema.fromJsonString(Schema.Struct({ pod: Schema.String }))
  const template = Effect.gen(function* () {
    const { exitCode, stderr, stdout } = yield* Python.run(
      Option.getOrElse(python, () => ""),
      "import flyte2_templates",
      {
        PYTHONPATH: `${directory("support")}:${directory("../../../examples/flyte2")}`,
        PYTHONDONTWRITEBYTECODE: "1"
      }
    )
    assert.strictEqual(exitCode, 0, stderr)
    const { pod } = yield* Schema.decodeUnknownEffect(Templates)(stdout)
    return fromBinary(Flyte2.TaskTemplateSchema, Buffer.from(pod, "base64"))
  })

  const createTask = (sent: Flyte2.TaskTemplate) =>
    create(Flyte2.CreateTaskRequestSchema, {
      template: sent,
      connection: {},
      taskExecutionMetadata: {
        namespace: "flyte",
        environmentVariables: { _U_ORG_NAME: "local", _U_RUN_BASE: "s3://flyte/run/" },
        taskExecutionId: {
          nodeExecutionId: { nodeId: "a1", executionId: { project: "billing", domain: "production", name: "r1" } }
        }
      }
    })
  const service = grpcServiceDefinition(Flyte2.AsyncConnectorService)

  scenario("is refused as its executor sends it: it fills nothing in", ({ workspace, serving }) =>
    serving(withConnectorPat, (connector) =>
      Effect.gen(function* () {
        const request = createTask(yield* template)
        const call = connector.flyte.call(service.createTask, request)
        const { code, details } = yield* refusal(connector, call)
        assert.strictEqual(code, "INVALID_ARGUMENT")
        assert.include(
          details,
          "the placeholder {{.input}} in its arguments. Flyte 1 fills it in since 1.16.7, Flyte 2"
        )
        assert.deepStrictEqual(yield* workspace.requests.all(), [])
      })
    )
  )

  scenario("runs where it is filled in, and the entrypoint is told the rest", (world) =>
    world.serving(withConnectorPat, ({ flyte }) =>
      Effect.gen(function* () {
        const filled = yield* template
        assert(filled.target.case === "k8sPod")
        const { value } = filled.target
        value.podSpec = JSON.parse(
          JSON.stringify(value.podSpec)
            .replace("{{.input}}", "s3://flyte/in")
            .replace("{{.outputPrefix}}", "s3://flyte/out")
        ) as JsonObject
        yield* flyte.call(service.createTask, createTask(filled))
        const parameters = parametersOf(yield* submitted(world))
        const options = ["--run-base-dir", "s3://flyte/run/", "--org", "local", "--project", "billing"]
        const told = ["a0", ...options, "--domain", "production", "--inputs", "s3://flyte/in"]
        assert.deepStrictEqual(parameters.slice(0, told.length), told)
        const at = parameters.indexOf("--run-name")
        assert.deepStrictEqual(parameters.slice(at, at + 4), ["--run-name", "r1", "--name", "a1"])
      })
    )
  )
})
