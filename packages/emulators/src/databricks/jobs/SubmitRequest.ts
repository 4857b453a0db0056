/**
 * The body of `runs/submit`, checked as the service checks it. Keys that it does not know are left alone.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type ApiError, invalidParameter } from "../ApiError.ts"

const Cluster = Schema.StructWithRest(
  Schema.Struct({
    spark_version: Schema.optional(Schema.String),
    num_workers: Schema.optional(Schema.Int),
    autoscale: Schema.optional(Schema.Unknown)
  }),
  [Schema.Record(Schema.String, Schema.Unknown)]
)

const SourceTask = Schema.StructWithRest(
  Schema.Struct({
    python_file: Schema.optional(Schema.String),
    notebook_path: Schema.optional(Schema.String),
    source: Schema.optional(Schema.String)
  }),
  [Schema.Record(Schema.String, Schema.Unknown)]
)

const taskFields = {
  new_cluster: Schema.optional(Cluster),
  existing_cluster_id: Schema.optional(Schema.String),
  environment_key: Schema.optional(Schema.String),
  spark_python_task: Schema.optional(SourceTask),
  notebook_task: Schema.optional(SourceTask)
}

const Task = Schema.StructWithRest(Schema.Struct({ task_key: Schema.optional(Schema.String), ...taskFields }), [
  Schema.Record(Schema.String, Schema.Unknown)
])
type Task = typeof Task.Type

const AccessControl = Schema.Struct({
  user_name: Schema.optional(Schema.String),
  service_principal_name: Schema.optional(Schema.String),
  group_name: Schema.optional(Schema.String),
  permission_level: Schema.Literals(["CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER"])
})

/** A submitted run: its tasks, or, in the older form, one task whose fields are at the top level. */
export const SubmitRequest = Schema.StructWithRest(
  Schema.Struct({
    run_name: Schema.optional(Schema.String),
    idempotency_token: Schema.optional(Schema.String),
    timeout_seconds: Schema.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
    tasks: Schema.optional(Schema.Array(Task)),
    environments: Schema.optional(
      Schema.Array(
        Schema.StructWithRest(Schema.Struct({ environment_key: Schema.String }), [
          Schema.Record(Schema.String, Schema.Unknown)
        ])
      )
    ),
    git_source: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
    access_control_list: Schema.optional(Schema.Array(AccessControl)),
    run_as: Schema.optional(
      Schema.Struct({
        user_name: Schema.optional(Schema.String),
        service_principal_name: Schema.optional(Schema.String)
      })
    ),
    ...taskFields
  }),
  [Schema.Record(Schema.String, Schema.Unknown)]
)
export type SubmitRequest = typeof SubmitRequest.Type

const decodeBody = Schema.decodeUnknownEffect(SubmitRequest)

/** A workload is what a task runs: `notebook_task`, `spark_python_task`, … */
const workloadsOf = (task: object) => Object.keys(task).filter((key) => key.endsWith("_task"))

const needsCompute = new Set([
  "notebook_task",
  "spark_python_task",
  "spark_jar_task",
  "spark_submit_task",
  "python_wheel_task"
])

/** The tasks, whichever form the request has. */
export const tasksOf = (request: SubmitRequest): ReadonlyArray<Task> => {
  if (request.tasks !== undefined) return request.tasks
  const fields = Object.entries(request).filter(
    ([key]) => key in taskFields || key.endsWith("_task") || key === "libraries"
  )
  return [Object.fromEntries(fields) as Task]
}

const problemOfCluster = (cluster: typeof Cluster.Type) =>
  cluster.spark_version === undefined
    ? "Missing required field: settings.cluster_spec.new_cluster.spark_version"
    : cluster.num_workers === undefined && cluster.autoscale === undefined
      ? "Missing required field: settings.cluster_spec.new_cluster.size"
      : undefined

const problemOfSource = (request: SubmitRequest, task: Task) => {
  const { notebook_task, spark_python_task } = task
  if (spark_python_task !== undefined && spark_python_task.python_file === undefined) {
    return "Missing required field: spark_python_task.python_file"
  }
  if (notebook_task !== undefined && notebook_task.notebook_path === undefined) {
    return "Missing required field: notebook_task.notebook_path"
  }
  const fromGit = spark_python_task?.source === "GIT" || notebook_task?.source === "GIT"
  return fromGit && request.git_source === undefined ? "git_source is required when a task's source is GIT." : undefined
}

const problemOfCompute = (request: SubmitRequest, task: Task, workload: string) => {
  const { environment_key, existing_cluster_id, new_cluster } = task
  if (new_cluster !== undefined && existing_cluster_id !== undefined) {
    return "Only one of new_cluster or existing_cluster_id can be specified."
  }
  if (new_cluster !== undefined) return problemOfCluster(new_cluster)
  if (existing_cluster_id !== undefined || !needsCompute.has(workload)) return undefined
  if (environment_key !== undefined) {
    return request.environments?.some((environment) => environment.environment_key === environment_key)
      ? undefined
      : `The environment_key '${environment_key}' is not defined in environments.`
  }
  // A notebook without compute runs serverless, but only in the form with tasks.
  return request.tasks !== undefined && workload === "notebook_task"
    ? undefined
    : "One of job_cluster_key, new_cluster, or existing_cluster_id must be specified."
}

const problemOfTask = (request: SubmitRequest, task: Task) => {
  const [workload, ...more] = workloadsOf(task)
  if (workload === undefined || more.length > 0) {
    const named = task.task_key === undefined ? "The run" : `Task ${task.task_key}`
    return `${named} must have exactly one of notebook_task, spark_python_task, spark_jar_task, spark_submit_task or another task type.`
  }
  return problemOfSource(request, task) ?? problemOfCompute(request, task, workload)
}

const problemOf = (request: SubmitRequest): string | undefined => {
  if ((request.idempotency_token?.length ?? 0) > 64) return "The idempotency_token must be at most 64 characters."
  const { tasks } = request
  if (tasks !== undefined) {
    if (tasks.length === 0) return "At least one task must be specified."
    if (tasks.some(({ task_key }) => task_key === undefined)) return "Missing required field: tasks.task_key"
    if (new Set(tasks.map(({ task_key }) => task_key)).size < tasks.length)
      return "The task_key of a task must be unique."
  }
  for (const task of tasksOf(request)) {
    const problem = problemOfTask(request, task)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Checks the body of `runs/submit`. */
export const decode = (body: unknown): Effect.Effect<SubmitRequest, ApiError> =>
  decodeBody(body).pipe(
    Effect.mapError((error) => invalidParameter(error.message)),
    Effect.flatMap((request) => {
      const problem = problemOf(request)
      return problem === undefined ? Effect.succeed(request) : Effect.fail(invalidParameter(problem))
    })
  )
