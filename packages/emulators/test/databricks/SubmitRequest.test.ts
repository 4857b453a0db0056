import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { DatabricksWorkspace } from "../../src/index.ts"
import { bearer, post } from "../support/http.ts"

const submit = (body: unknown) =>
  Effect.flatMap(DatabricksWorkspace.DatabricksWorkspace, ({ url }) =>
    post(`${url}/api/2.1/jobs/runs/submit`, body, bearer("dapi"))
  ).pipe(Effect.provide(DatabricksWorkspace.layer({ users: [{ userName: "ann", pats: ["dapi"] }] })))

const cluster = { spark_version: "15.4.x-scala2.12", num_workers: 1, node_type_id: "m5.large" }
const python = { python_file: "dbfs:/main.py" }
const git = { git_url: "https://example.com/repo", git_provider: "gitHub", git_commit: "abc" }

const accepted: ReadonlyArray<readonly [name: string, body: object]> = [
  ["the older form with a new cluster", { new_cluster: cluster, spark_python_task: python }],
  ["the older form with an existing cluster", { existing_cluster_id: "c", spark_python_task: python }],
  ["a JAR task", { existing_cluster_id: "c", spark_jar_task: { main_class_name: "Main" } }],
  [
    "a cluster that scales",
    { new_cluster: { ...cluster, num_workers: undefined, autoscale: {} }, spark_python_task: python }
  ],
  ["source from git", { git_source: git, existing_cluster_id: "c", spark_python_task: { ...python, source: "GIT" } }],
  [
    "serverless with its environment",
    {
      tasks: [{ task_key: "flyte_task", environment_key: "default", spark_python_task: python }],
      environments: [{ environment_key: "default", spec: { client: "1" } }]
    }
  ],
  ["a serverless notebook", { tasks: [{ task_key: "n", notebook_task: { notebook_path: "/x" } }] }],
  ["a task that needs no compute", { tasks: [{ task_key: "q", sql_task: { warehouse_id: "w" } }] }],
  ["fields it does not know", { existing_cluster_id: "c", spark_python_task: python, later: { nested: [1] } }],
  [
    "a token of 64 characters",
    { existing_cluster_id: "c", spark_python_task: python, idempotency_token: "t".repeat(64) }
  ]
]

const noCompute = "One of job_cluster_key, new_cluster, or existing_cluster_id must be specified."

const refused: ReadonlyArray<readonly [name: string, body: object, message: string | RegExp]> = [
  ["no compute", { spark_python_task: python }, noCompute],
  ["a notebook without compute in the older form", { notebook_task: { notebook_path: "/x" } }, noCompute],
  ["a job cluster", { tasks: [{ task_key: "t", job_cluster_key: "j", spark_python_task: python }] }, noCompute],
  ["nothing to run", { existing_cluster_id: "c" }, /^The run must have exactly one of notebook_task/],
  [
    "two things to run",
    { existing_cluster_id: "c", spark_python_task: python, notebook_task: { notebook_path: "/x" } },
    /exactly one/
  ],
  [
    "both kinds of cluster",
    { existing_cluster_id: "c", new_cluster: cluster, spark_python_task: python },
    "Only one of new_cluster or existing_cluster_id can be specified."
  ],
  [
    "a cluster without a version",
    { new_cluster: { num_workers: 1 }, spark_python_task: python },
    "Missing required field: settings.cluster_spec.new_cluster.spark_version"
  ],
  [
    "a cluster without a size",
    { new_cluster: { spark_version: "15.4" }, spark_python_task: python },
    "Missing required field: settings.cluster_spec.new_cluster.size"
  ],
  [
    "half a worker",
    { new_cluster: { ...cluster, num_workers: 0.5 }, spark_python_task: python },
    /\["new_cluster"\]\["num_workers"\]/
  ],
  [
    "no Python file",
    { existing_cluster_id: "c", spark_python_task: {} },
    "Missing required field: spark_python_task.python_file"
  ],
  [
    "no notebook",
    { existing_cluster_id: "c", notebook_task: {} },
    "Missing required field: notebook_task.notebook_path"
  ],
  [
    "a git task without a git source",
    { existing_cluster_id: "c", spark_python_task: { ...python, source: "GIT" } },
    "git_source is required when a task's source is GIT."
  ],
  [
    "an environment that is not defined",
    { tasks: [{ task_key: "t", environment_key: "e", spark_python_task: python }], environments: [] },
    "The environment_key 'e' is not defined in environments."
  ],
  ["no tasks", { tasks: [] }, "At least one task must be specified."],
  ["a task without a key", { tasks: [{ existing_cluster_id: "c", spark_python_task: python }] }, /task_key/],
  [
    "a key used twice",
    { tasks: ["t", "t"].map((task_key) => ({ task_key, existing_cluster_id: "c", spark_python_task: python })) },
    "The task_key of a task must be unique."
  ],
  [
    "a token of 65 characters",
    { existing_cluster_id: "c", spark_python_task: python, idempotency_token: "t".repeat(65) },
    "The idempotency_token must be at most 64 characters."
  ]
]

describe("runs/submit", () => {
  it.effect.each(accepted)("takes %s", ([, body]) =>
    Effect.gen(function* () {
      const reply = yield* submit(body)
      assert.strictEqual(reply.status, 200, reply.text)
      assert.deepStrictEqual(Object.keys(reply.json), ["run_id"])
    })
  )

  it.effect.each(refused)("refuses %s", ([, body, message]) =>
    Effect.gen(function* () {
      const reply = yield* submit(body)
      assert.deepStrictEqual([reply.status, reply.json.error_code], [400, "INVALID_PARAMETER_VALUE"])
      if (typeof message === "string") assert.strictEqual(reply.json.message, message)
      else assert.match(reply.json.message, message)
    })
  )

  it.effect.each(["{", "[]", "", '"text"'])("refuses a body that is no JSON object: %s", (body) =>
    Effect.gen(function* () {
      const reply = yield* submit(body)
      assert.deepStrictEqual([reply.status, reply.json.error_code], [400, "MALFORMED_REQUEST"])
    })
  )
})
