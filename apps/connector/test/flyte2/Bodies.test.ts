/**
 * What is submitted for the tasks that Flyte 2's own executor sent: what Flyte 2's Python connector submits, but for the
 * differences below. The README of `databricks-jobs` lists them too, with their reasons.
 */
import { assert, describe, it } from "@effect/vitest"
import { JobSpec } from "@flyte-databricks/databricks-jobs"
import type { Flyte2 } from "@flyte-databricks/flyte-protocol"
import { Option, Result } from "effect"
import { toTask } from "../../src/flyte2/Task.ts"
import { type Body, flyte2Requests } from "../support/flyte2Requests.ts"

const taskOf = (request: Flyte2.CreateTaskRequest) => Result.getOrThrow(toTask(request, Option.none()))

const bodyOf = (request: Flyte2.CreateTaskRequest) => {
  const { custom, container, defaults } = taskOf(request)
  return JobSpec.make({ custom, container, serviceCredentialProvider: Option.some("of-connector") }, defaults)
}

/** What all requests have in common: the action "a0" of a run, and that run's directory. */
const told = (request: Flyte2.CreateTaskRequest) => {
  const run = request.taskExecutionMetadata?.taskExecutionId?.nodeExecutionId?.executionId?.name ?? ""
  const options = ["--org", "local", "--project", "flytesnacks", "--domain", "development"]
  return { run, options: ["--run-base-dir", `mem://bucket/flytesnacks/development/${run}/`, ...options] }
}

/** The entrypoint is told what Flyte leaves out: without it, it ends with an error before it reads the task. */
const withParameters = (request: Flyte2.CreateTaskRequest, body: Body): Body => {
  const { run, options } = told(request)
  const [command = "", ...rest] = body.spark_python_task.parameters.map((parameter) =>
    parameter === "{{.runName}}" ? run : parameter === "{{.actionName}}" ? "a0" : parameter
  )
  return { ...body, spark_python_task: { ...body.spark_python_task, parameters: [command, ...options, ...rest] } }
}

/** What the task names is run; Python overwrites `git_source`, and sends `python_file` where Databricks knows no such key. */
const withOwnFile = ({ python_file, ...body }: Body, git_source: unknown): Body => ({
  ...body,
  git_source,
  spark_python_task: { ...body.spark_python_task, ...(python_file === undefined ? {} : { python_file }) }
})

const differing = "git-source-and-python-file-given"
const ownSource = { git_branch: "main", git_provider: "gitHub", git_url: "https://github.com/acme/x" }

const named = (name: string): Flyte2.CreateTaskRequest => {
  const found = flyte2Requests.find((recorded) => recorded.name === name)
  assert(found !== undefined, name)
  return found.request
}

describe("the body for", () => {
  const python = flyte2Requests.flatMap(({ name, request, body }) =>
    body === undefined ? [] : [{ name, request, body }]
  )

  it.each(python)("$name is Python's, with the entrypoint told what it demands", ({ name, request, body }) => {
    const completed = withParameters(request, body)
    const expected = name === differing ? withOwnFile(completed, ownSource) : completed
    assert.deepStrictEqual<unknown>(Result.getOrThrow(bodyOf(request)), expected)
  })

  it("serverless is made, which Python refuses: Flyte 2's one entrypoint, which takes no credential provider", () => {
    const request = named("serverless-environment-key")
    const { args = [] } = taskOf(request).container ?? {}
    assert.deepStrictEqual(Result.getOrThrow(bodyOf(request)), {
      run_name: "s",
      environments: [{ environment_key: "my-env", spec: { client: "1", environment_vars: { FROM_TASK: "1" } } }],
      tasks: [
        {
          task_key: "flyte_task",
          spark_python_task: {
            python_file: "flyteplugins/databricks/entrypoint.py",
            source: "GIT",
            parameters: args
          },
          environment_key: "my-env"
        }
      ],
      git_source: JobSpec.flyte2Defaults.gitSource
    })
    assert.includeMembers([...args], told(request).options)
  })

  it("no compute at all is an error, as it is in Python", () => {
    for (const name of ["conf-without-cluster", "conf-empty"]) {
      assert.include(Result.getOrThrow(Result.flip(bodyOf(named(name)))).message, "names no compute", name)
    }
  })

  it("is known of all fourteen tasks", () => {
    assert.deepStrictEqual([flyte2Requests.length, python.length], [14, 11])
  })
})
