/**
 * What a task's `databricksConf` says the job runs on, completed with what Flyte knows.
 */
import * as Equal from "effect/Equal"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { JobsError } from "../JobsError.ts"
import { expectObject, invalid } from "./jobSpecInvalid.ts"
import { isArray, isTruthy, kindOf } from "./json.ts"

export const confPath = "custom.databricksConf"

/** The job without its task, on a cluster or on serverless environments. */
export type Compute =
  | { readonly _tag: "Classic"; readonly job: Schema.JsonObject }
  | { readonly _tag: "Serverless"; readonly job: Schema.JsonObject; readonly environmentKey: Schema.Json }

/** What a new cluster or environment is given unless the task says otherwise. */
export interface Injected {
  readonly image: string
  readonly sparkConf: Schema.Json
  readonly environmentVariables: Readonly<Record<string, string>>
}

/** Decides between classic and serverless compute; a cluster wins over environments. */
export const resolve = (conf: Schema.JsonObject, injected: Injected): Result.Result<Compute, JobsError> => {
  const cluster = conf["existing_cluster_id"] ?? conf["new_cluster"] ?? null
  if (cluster !== null) return classic(conf, injected)
  if (isTruthy(conf["environment_key"]) || isTruthy(conf["environments"])) return serverless(conf, injected)
  return invalid(
    confPath,
    "names no compute",
    "Give it one of existing_cluster_id or new_cluster (classic), environment_key or environments (serverless)."
  )
}

const classic = (conf: Schema.JsonObject, injected: Injected): Result.Result<Compute, JobsError> =>
  Result.gen(function* () {
    const existing = conf["existing_cluster_id"] ?? null
    if (existing !== null) return { _tag: "Classic", job: conf }
    const at = `${confPath}.new_cluster`
    const cluster = yield* expectObject(
      conf["new_cluster"],
      at,
      "Describe the cluster as the Databricks Jobs API does."
    )
    const completed = {
      ...cluster,
      docker_image: isTruthy(cluster["docker_image"]) ? cluster["docker_image"] : { url: injected.image },
      spark_conf: isTruthy(cluster["spark_conf"]) ? cluster["spark_conf"] : injected.sparkConf,
      spark_env_vars: yield* mergeVariables(
        isTruthy(cluster["spark_env_vars"]) ? cluster["spark_env_vars"] : {},
        injected,
        `${at}.spark_env_vars`
      )
    }
    return { _tag: "Classic", job: { ...conf, new_cluster: completed } }
  })

const serverless = (conf: Schema.JsonObject, injected: Injected): Result.Result<Compute, JobsError> =>
  Result.gen(function* () {
    // `null` is not the same as no key: the task then runs in the environment whose own key is missing or null.
    const { environment_key: environmentKey = "default", ...rest } = conf
    const at = `${confPath}.environments`
    const given = conf["environments"] === undefined ? [] : conf["environments"]
    if (!isArray(given)) {
      return yield* invalid(at, `is ${kindOf(given)}, expected a list`, "List environments, or leave the key out.")
    }
    const environments: Array<Schema.Json> = []
    let found = false
    for (const [index, item] of given.entries()) {
      // Environments after the task's own are passed on unchecked.
      environments.push(
        found
          ? item
          : yield* completeIfTasks(item, environmentKey, injected, `${at}[${index}]`).pipe(
              Result.map(({ isTasks, environment }) => {
                found = isTasks
                return environment
              })
            )
      )
    }
    if (!found) {
      environments.push({
        environment_key: environmentKey,
        spec: { client: "1", environment_vars: injected.environmentVariables }
      })
    }
    return { _tag: "Serverless", job: { ...rest, environments }, environmentKey }
  })

const completeIfTasks = (
  item: Schema.Json,
  environmentKey: Schema.Json,
  injected: Injected,
  at: string
): Result.Result<{ readonly isTasks: boolean; readonly environment: Schema.JsonObject }, JobsError> =>
  Result.gen(function* () {
    const environment = yield* expectObject(item, at, "Give each environment an environment_key and a spec.")
    const isTasks = Equal.equals(environment["environment_key"] ?? null, environmentKey)
    if (!isTasks) return { isTasks, environment }
    const spec = environment["spec"] === undefined ? {} : environment["spec"]
    const described = yield* expectObject(spec, `${at}.spec`, "Describe the environment, or leave spec out.")
    const variables = described["environment_vars"] === undefined ? {} : described["environment_vars"]
    const environment_vars = yield* mergeVariables(variables, injected, `${at}.spec.environment_vars`)
    return { isTasks, environment: { ...environment, spec: { ...described, environment_vars } } }
  })

const mergeVariables = (
  given: Schema.Json,
  { environmentVariables }: Injected,
  at: string
): Result.Result<Schema.JsonObject, JobsError> =>
  expectObject(given, at, "Write environment variables as names and values.").pipe(
    Result.map((variables) => ({ ...variables, ...environmentVariables }))
  )
