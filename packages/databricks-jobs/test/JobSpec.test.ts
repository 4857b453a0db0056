import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import * as JobSpec from "@flyte-databricks/databricks-jobs/JobSpec"
import { JobsError, JobSpecInvalid } from "@flyte-databricks/databricks-jobs/JobsError"
import { Option, Result, type Schema } from "effect"
import { createRequests } from "./support/flyteRequests.ts"
import { canonical, deepFreeze, parseJson } from "./support/json.ts"

const container = { image: "img:1", args: ["pyflyte-execute"], env: { FROM_FLYTE: "1" } }

const task = (custom: unknown, rest: Partial<JobSpec.Task> = {}): JobSpec.Task => ({
  custom,
  container,
  serviceCredentialProvider: Option.none(),
  ...rest
})

/** A body as tests look into it: the keys they ask for, whatever stands there. */
interface Body {
  readonly git_source?: unknown
  readonly spark_python_task?: { readonly python_file: string }
  readonly tasks?: ReadonlyArray<{
    readonly spark_python_task: { readonly python_file: string; readonly parameters: ReadonlyArray<string> }
  }>
}

const lookInto = (body: Schema.JsonObject): Body => body as Body

const bodyOf = (of: JobSpec.Task, defaults?: JobSpec.Defaults) => Result.getOrThrow(JobSpec.make(of, defaults))

const errorOf = (of: JobSpec.Task): JobsError => Result.getOrThrow(Result.flip(JobSpec.make(of)))

describe("a task that flytekit serialised makes the body that Flyte's Python connector makes", () => {
  it("has 24 such tasks", () => assert.strictEqual(createRequests.length, 24))

  it.each(createRequests)("$name", ({ task: recorded, body }) => {
    assert.strictEqual(canonical(bodyOf(recorded)), canonical(body))
  })
})

describe("the service credential provider", () => {
  const serverless = { environment_key: "e" }
  const parametersOf = (own: object, connectors: Option.Option<string>) => {
    const custom = { databricksConf: serverless, ...own }
    const body = lookInto(bodyOf(task(custom, { serviceCredentialProvider: connectors })))
    return body.tasks?.[0]?.spark_python_task.parameters
  }
  const key = "databricksServiceCredentialProvider"
  const connectors = Option.some("connectors")

  it("is the connector's where the task names none", () => {
    assert.deepStrictEqual(parametersOf({}, connectors), ["pyflyte-execute", "--flyte-credential-provider=connectors"])
  })
  it("is the task's where it names one", () => {
    assert.deepStrictEqual(parametersOf({ [key]: "own" }, connectors), [
      "pyflyte-execute",
      "--flyte-credential-provider=own"
    ])
  })
  it.each([[""], [null]])("is none where the task says %j", (none) => {
    assert.deepStrictEqual(parametersOf({ [key]: none }, connectors), ["pyflyte-execute"])
  })
  it("is refused where it is not text, which Python would write into the arguments as it prints it", () => {
    assertEquals(
      errorOf(task({ databricksConf: serverless, [key]: ["own"] })),
      new JobsError({
        reason: new JobSpecInvalid({
          at: "custom.databricksServiceCredentialProvider",
          problem: "is a list, expected a string",
          remedy: "Name a service credential of Unity Catalog."
        })
      })
    )
  })
})

describe("defaults of another Flyte", () => {
  const defaults: JobSpec.Defaults = {
    gitSource: { git_url: "https://git.example/r", git_provider: "gitHub", git_commit: "abc" },
    pythonFile: "classic.py",
    serverlessPythonFile: "serverless.py"
  }

  it("take the place of Flyte 1's where the task names neither source nor file", () => {
    const classic = lookInto(bodyOf(task({ databricksConf: { existing_cluster_id: "1" } }), defaults))
    assert.deepStrictEqual(classic.git_source, defaults.gitSource)
    assert.strictEqual(classic.spark_python_task?.python_file, "classic.py")
    const serverless = lookInto(bodyOf(task({ databricksConf: { environment_key: "e" } }), defaults))
    assert.strictEqual(serverless.tasks?.[0]?.spark_python_task.python_file, "serverless.py")
  })
  it("give way to the task's own", () => {
    const databricksConf = { existing_cluster_id: "1", git_source: { git_url: "mine" }, python_file: "mine.py" }
    const body = lookInto(bodyOf(task({ databricksConf }), defaults))
    assert.deepStrictEqual(body.git_source, { git_url: "mine" })
    assert.strictEqual(body.spark_python_task?.python_file, "mine.py")
  })
})

describe("a task that cannot be a job is an error that says where it is wrong", () => {
  const conf = (databricksConf: unknown) => ({ databricksConf })
  const at = "custom.databricksConf"

  it.each<[what: string, custom: unknown, at: string, problem: string]>([
    ["no custom at all", undefined, "custom", "is not JSON"],
    ["custom that is a list", [], "custom", "is a list, expected an object"],
    ["a number that JSON does not have", { a: Number.NaN }, "custom", "is not JSON"],
    ["no databricksConf", {}, at, "is missing"],
    ["databricksConf null", conf(null), at, "is null, expected an object"],
    ["databricksConf as JSON text", conf("{}"), at, "is a string, expected an object"],
    ["no compute", conf({ run_name: "r" }), at, "names no compute"],
    [
      "empty compute",
      conf({ existing_cluster_id: null, environment_key: "", environments: [] }),
      at,
      "names no compute"
    ],
    ["a cluster that is text", conf({ new_cluster: "big" }), `${at}.new_cluster`, "is a string, expected an object"],
    [
      "cluster variables as a list",
      conf({ new_cluster: { spark_env_vars: ["A=1"] } }),
      `${at}.new_cluster.spark_env_vars`,
      "is a list, expected an object"
    ],
    [
      "environments that are an object",
      conf({ environments: { default: {} } }),
      `${at}.environments`,
      "is an object, expected a list"
    ],
    [
      "environments null beside a key",
      conf({ environment_key: "e", environments: null }),
      `${at}.environments`,
      "is null, expected a list"
    ],
    [
      "an environment that is text",
      conf({ environments: [{ environment_key: "x" }, "e"] }),
      `${at}.environments[1]`,
      "is a string, expected an object"
    ],
    [
      "the task's environment without a description",
      conf({ environments: [{ environment_key: "default", spec: null }] }),
      `${at}.environments[0].spec`,
      "is null, expected an object"
    ],
    [
      "variables of the task's environment as text",
      conf({ environments: [{ environment_key: "default", spec: { environment_vars: "A=1" } }] }),
      `${at}.environments[0].spec.environment_vars`,
      "is a string, expected an object"
    ]
  ])("%s", (_what, custom, where, problem) => {
    const { reason, retryable, message } = errorOf(task(custom))
    assert(reason._tag === "JobSpecInvalid")
    assert.deepStrictEqual([reason.at, reason.problem], [where, problem])
    assert.isFalse(retryable)
    assert.include(message, `${where} ${problem}`)
    assert.match(reason.remedy, /^[A-Z].+\.$/, "says what to do")
  })

  it("no container", () => {
    const { message } = errorOf(task(conf({ existing_cluster_id: "1" }), { container: undefined }))
    assert.include(message, "the task template has no container")
  })
  it("names the four ways to have compute", () => {
    const { message } = errorOf(task(conf({})))
    for (const key of ["existing_cluster_id", "new_cluster", "environment_key", "environments"]) {
      assert.include(message, key)
    }
  })
  it("never repeats what the task holds", () => {
    const secret = "dapi-0123456789"
    for (const value of [secret, [secret], { spark_env_vars: secret }, { spark_env_vars: [secret] }]) {
      assert.notInclude(JSON.stringify(errorOf(task(conf({ new_cluster: value })))), secret)
    }
  })
})

describe("what a task holds is data", () => {
  it("leaves the task as it was", () => {
    for (const { task: recorded } of createRequests) {
      const before = canonical(recorded.custom)
      deepFreeze(recorded)
      bodyOf(recorded)
      assert.strictEqual(canonical(recorded.custom), before)
    }
  })

  it("carries keys named like parts of a prototype through, and reads nothing from them", () => {
    const evil = parseJson(`{
      "databricksConf": {
        "__proto__": { "new_cluster": { "num_workers": 9 }, "polluted": true },
        "constructor": { "prototype": { "polluted": true } },
        "existing_cluster_id": "1"
      }
    }`)
    const body = bodyOf(task(evil, { container: { ...container, env: { ["__proto__"]: "x" } } }))
    assert.include(canonical(body), '"__proto__":{"new_cluster":{"num_workers":9},"polluted":true}')
    assert.include(canonical(body), '"constructor":{"prototype":{"polluted":true}}')
    assert.strictEqual(Object.getPrototypeOf(body), Object.prototype)
    assert.notProperty(body, "polluted")
    assert.notProperty({}, "polluted")
  })

  it("has no compute where only a prototype key names one", () => {
    const evil = parseJson('{ "databricksConf": { "__proto__": { "existing_cluster_id": "1" } } }')
    assert.include(errorOf(task(evil)).message, "names no compute")
  })

  it("passes environment variables of any name to the job", () => {
    const env = { ["__proto__"]: "p", constructor: "c" }
    const databricksConf = { new_cluster: { spark_env_vars: { A: "task" } } }
    const body = bodyOf(task({ databricksConf }, { container: { ...container, env } }))
    assert.include(
      canonical(body),
      '"spark_env_vars":{"A":"task","FLYTE_FAIL_ON_ERROR":"true","__proto__":"p","constructor":"c"}'
    )
  })

  const nested = (levels: number) => parseJson(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`)
  // custom, databricksConf and tags are three levels by themselves.
  const withTags = (levels: number) => task({ databricksConf: { existing_cluster_id: "1", tags: nested(levels) } })

  it("may be nested as deep as a body is", () => {
    assert.doesNotThrow(() => JSON.stringify(bodyOf(withTags(JobSpec.maxDepth - 2))))
  })
  it.each([JobSpec.maxDepth - 1, 4000])("is refused when it is nested %d levels deeper than that", (levels) => {
    assert.include(errorOf(withTags(levels)).message, "nested more than 100 levels deep")
  })
})
