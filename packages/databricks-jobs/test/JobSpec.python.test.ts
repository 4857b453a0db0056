/** The body of `runs/submit` is the one that Flyte's own connector makes, asked here by running it. */
import { assert, describe, it } from "@effect/vitest"
import * as JobSpec from "@flyte-databricks/databricks-jobs/JobSpec"
import * as Python from "@flyte-databricks/emulators/testing/Python"
import { Effect, Option, Result } from "effect"
import { canonical } from "./support/json.ts"
import { runPython } from "./support/python.ts"
import { type GeneratedTask, generateTasks } from "./support/taskGenerator.ts"

type Answer = { readonly body: string } | { readonly raised: string }

const refused = "refused"

const ours = ({ custom, container, provider }: GeneratedTask): string =>
  JobSpec.make({
    custom,
    container: container ?? undefined,
    serviceCredentialProvider: Option.fromNullishOr(provider)
  }).pipe(Result.match({ onSuccess: canonical, onFailure: () => refused }))

// Without one it says so; in CI it fails.
const python = await Effect.runPromise(Python.find("flytekitplugins.spark"))

describe.skipIf(Option.isNone(python))("beside Flyte's Python connector", () => {
  const tasks = generateTasks(20_260_801, 2000)

  it("makes an equal body, or refuses what Python raises on", () => {
    const script = new URL("support/python_job_spec.py", import.meta.url)
    const theirs = runPython(Option.getOrThrow(python), script, tasks) as ReadonlyArray<Answer>
    assert.strictEqual(theirs.length, tasks.length)
    for (const [index, answer] of theirs.entries()) {
      const expected = "body" in answer ? canonical(JSON.parse(answer.body)) : refused
      assert.strictEqual(ours(tasks[index]!), expected, `task ${index}: ${JSON.stringify(tasks[index])}`)
    }
    // Both sides of the comparison must be there, or it compares nothing.
    const bodies = theirs.flatMap((answer) => ("body" in answer ? [answer.body] : []))
    assert.isAbove(tasks.length - bodies.length, 400)
    for (const kind of ["flyte_task", "flyte_notebook_task", "spark_python_task", "docker_image"]) {
      assert.isAbove(bodies.filter((body) => body.includes(`"${kind}"`)).length, 50, kind)
    }
  }, 180_000)
})
