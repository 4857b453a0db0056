/**
 * Runs, each as the identity that it was submitted with.
 */
import { DatabricksAuth, type Credential } from "@flyte-databricks/databricks-auth"
import { JobsClient, type RunId, RunProgress } from "@flyte-databricks/databricks-jobs"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type * as Stream from "effect/Stream"
import { SecureRandom } from "effect/crypto/SecureRandom"
import type { Task } from "./Api.ts"
import { type Failure, RunUnknown } from "./Problem.ts"

/** How often a run is asked after. */
export const PollInterval = Context.Reference<Duration.Input>("@flyte-databricks/demo/PollInterval", {
  defaultValue: () => "1 second"
})

// As small as a job can be: it compares two words, for which Databricks starts no compute.
const job = (namespace: string) => ({
  run_name: `flyte-databricks demo, ${namespace}`,
  tasks: [{ task_key: "demo", condition_task: { op: "EQUAL_TO", left: "demo", right: "demo" } }]
})

interface Run extends Credential.Credential {
  readonly runId: RunId.RunId
}

export class Runs extends Context.Service<
  Runs,
  {
    readonly submit: (task: Task) => Effect.Effect<Run, Failure>
    /** How the run is doing, until it has ended. */
    readonly follow: (runId: RunId.RunId) => Effect.Effect<Stream.Stream<RunProgress.RunProgress, Failure>, RunUnknown>
    readonly cancel: (runId: RunId.RunId) => Effect.Effect<void, Failure>
  }
>()("@flyte-databricks/demo/Runs") {}

export const layer: Layer.Layer<Runs, never, DatabricksAuth.DatabricksAuth | JobsClient.JobsClient | SecureRandom> =
  Layer.effect(
    Runs,
    Effect.gen(function* () {
      const auth = yield* DatabricksAuth.DatabricksAuth
      const jobs = yield* JobsClient.JobsClient
      const random = yield* SecureRandom
      const interval = yield* PollInterval
      const submitted = yield* Ref.make<ReadonlyArray<Run>>([])
      const find = Effect.fnUntraced(function* (runId: RunId.RunId) {
        return (yield* Ref.get(submitted)).find((run) => run.runId === runId) ?? (yield* new RunUnknown({ runId }))
      })
      return Runs.of({
        submit: Effect.fn("Runs.submit")(function* ({ namespace, authType }) {
          const who = yield* auth.resolve({ namespace, settings: { authType } })
          const run = { runId: yield* jobs.submit(who, job(namespace), yield* random.uuidV4()), ...who }
          yield* Ref.update(submitted, (runs) => [run, ...runs].slice(0, 1000))
          return run
        }),
        follow: (runId) => Effect.map(find(runId), (run) => RunProgress.follow(jobs, run, runId, interval)),
        cancel: (runId) => Effect.flatMap(find(runId), (run) => jobs.cancel(run, runId))
      })
    })
  )
