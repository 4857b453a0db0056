/**
 * From a Flyte task to the body of Databricks' `runs/submit`. The body is the one that Flyte's Python connector makes:
 * whoever flips from one connector to the other runs the same jobs. Where Python would raise, the answer is an error
 * that says where the task is wrong.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Compute from "./internal/compute.ts"
import { expectObject, invalid } from "./internal/jobSpecInvalid.ts"
import { isJson, isTruthy, kindOf } from "./internal/json.ts"
import type { JobsError } from "./JobsError.ts"

/** The container of a task template, or the one of its pod. */
export interface Container {
  readonly image: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/** The parts of a task that make its job. */
export interface Task {
  /** `template.custom`, as plain JSON. */
  readonly custom: unknown
  /** Absent where the template has neither a container nor a pod. */
  readonly container: Container | undefined
  /** The connector's setting; a task that names a provider, or says it wants none, wins. */
  readonly serviceCredentialProvider: Option.Option<string>
}

/** What a Python task runs when it names neither `git_source` nor `python_file`, and what that is given. */
export interface Defaults {
  readonly gitSource: Schema.JsonObject
  readonly pythonFile: string
  readonly serverlessPythonFile: string
  /** Variables of every job, beside the container's. */
  readonly environmentVariables?: Readonly<Record<string, string>>
  /** Whether the serverless entrypoint knows `--flyte-credential-provider`. One that does not would refuse to start. */
  readonly takesCredentialProvider?: boolean
}

/** The entrypoints of Flyte 1, at the commit that its own connector names. */
export const flyte1Defaults: Defaults = {
  gitSource: {
    git_url: "https://github.com/flyteorg/flytetools",
    git_provider: "gitHub",
    git_commit: "572298df1f971fb58c258398bd70a6372f811c96"
  },
  pythonFile: "flytekitplugins/databricks/entrypoint.py",
  serverlessPythonFile: "flytekitplugins/databricks/entrypoint_serverless.py",
  // A job whose entrypoint swallowed the task's exception would be a success to Databricks.
  environmentVariables: { FLYTE_FAIL_ON_ERROR: "true" },
  takesCredentialProvider: true
}

/**
 * The entrypoint of Flyte 2, at the commit that its own connector names; there is one for all compute. A task's exception
 * is in its outputs, where Flyte 2 looks for it whatever Databricks says of the run.
 */
export const flyte2Defaults: Defaults = {
  gitSource: {
    git_url: "https://github.com/flyteorg/flytetools",
    git_provider: "gitHub",
    git_commit: "194364210c47c49ce66c419e8fb68d6f9c06fd7e"
  },
  pythonFile: "flyteplugins/databricks/entrypoint.py",
  serverlessPythonFile: "flyteplugins/databricks/entrypoint.py"
}

/**
 * How deep objects and lists may be nested. Protocol buffers stop reading at about half of this; no job of the Databricks
 * API needs a tenth of it.
 */
export const maxDepth = 100

/** Makes the body of `runs/submit`, without the idempotency token. The task is left as it is. */
export const make = (task: Task, defaults: Defaults = flyte1Defaults): Result.Result<Schema.JsonObject, JobsError> =>
  Result.gen(function* () {
    const custom = yield* readCustom(task.custom)
    const conf = yield* expectObject(
      custom["databricksConf"],
      Compute.confPath,
      "Configure the task with databricks_conf, the body of Databricks' runs/submit."
    )
    const container = task.container
    if (container === undefined) {
      return yield* invalid("the task template", "has no container", "Give the task an image.")
    }
    const compute = yield* Compute.resolve(conf, {
      image: container.image,
      sparkConf: custom["sparkConf"] === undefined ? {} : custom["sparkConf"],
      environmentVariables: { ...container.env, ...defaults.environmentVariables }
    })
    return isTruthy(custom["notebookPath"])
      ? notebookJob(compute, custom, custom["notebookPath"])
      : yield* pythonFileJob(compute, custom, container, task.serviceCredentialProvider, defaults)
  })

const isOfAnyDepth = Schema.is(Schema.Json)

const readCustom = (input: unknown): Result.Result<Schema.JsonObject, JobsError> => {
  const remedy = "It is written by flytekit's Databricks task; check how the task is configured."
  if (isJson(input, maxDepth)) return expectObject(input, "custom", remedy)
  const problem = isOfAnyDepth(input) ? `is nested more than ${maxDepth} levels deep` : "is not JSON"
  return invalid("custom", problem, remedy)
}

const notebookJob = (
  compute: Compute.Compute,
  custom: Schema.JsonObject,
  notebookPath: Schema.Json
): Schema.JsonObject => {
  const { git_source: gitSource, ...job } = compute.job
  const parameters = custom["notebookBaseParameters"]
  const notebookTask = {
    notebook_path: notebookPath,
    ...(isTruthy(parameters) ? { base_parameters: parameters } : {}),
    ...(isTruthy(gitSource) ? { source: "GIT" } : {})
  }
  return {
    ...job,
    ...(compute._tag === "Classic"
      ? { notebook_task: notebookTask }
      : {
          tasks: [
            {
              task_key: "flyte_notebook_task",
              notebook_task: notebookTask,
              environment_key: compute.environmentKey
            }
          ]
        }),
    ...(isTruthy(gitSource) ? { git_source: gitSource } : {})
  }
}

const pythonFileJob = (
  compute: Compute.Compute,
  custom: Schema.JsonObject,
  container: Container,
  connectorsProvider: Option.Option<string>,
  defaults: Defaults
): Result.Result<Schema.JsonObject, JobsError> =>
  Result.gen(function* () {
    const { git_source: givenSource, python_file: givenFile, ...job } = compute.job
    const git_source = isTruthy(givenSource) ? givenSource : defaults.gitSource
    const pythonTask = (defaultFile: string, parameters: ReadonlyArray<string>): Schema.JsonObject => ({
      python_file: isTruthy(givenFile) ? givenFile : defaultFile,
      source: "GIT",
      parameters
    })
    if (compute._tag === "Classic") {
      return { ...job, spark_python_task: pythonTask(defaults.pythonFile, container.args), git_source }
    }
    const provider =
      defaults.takesCredentialProvider || isTruthy(givenFile)
        ? yield* credentialProvider(custom, connectorsProvider)
        : Option.none()
    const parameters = Option.match(provider, {
      onNone: () => container.args,
      onSome: (name) => [...container.args, `--flyte-credential-provider=${name}`]
    })
    const task = {
      task_key: "flyte_task",
      spark_python_task: pythonTask(defaults.serverlessPythonFile, parameters),
      environment_key: compute.environmentKey
    }
    return { ...job, tasks: [task], git_source }
  })

const credentialProvider = (
  custom: Schema.JsonObject,
  connectors: Option.Option<string>
): Result.Result<Option.Option<string>, JobsError> => {
  const key = "databricksServiceCredentialProvider"
  const given = custom[key]
  if (given === undefined) return Result.succeed(Option.filter(connectors, (name) => name !== ""))
  if (!isTruthy(given)) return Result.succeed(Option.none())
  if (typeof given === "string") return Result.succeed(Option.some(given))
  return invalid(
    `custom.${key}`,
    `is ${kindOf(given)}, expected a string`,
    "Name a service credential of Unity Catalog."
  )
}
