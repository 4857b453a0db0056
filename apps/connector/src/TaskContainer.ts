/**
 * The container of a task template, in the words that both versions of Flyte share. A task with a pod template has a pod
 * instead.
 */
import { type JobsError, type JobSpec, PodTemplate } from "@flyte-databricks/databricks-jobs"
import * as Effect from "effect/Effect"
import * as Call from "./call/Call.ts"

/** A template, as both versions of Flyte send it. */
interface Template {
  readonly type: string
  readonly target:
    | {
        readonly case: "container"
        readonly value: {
          readonly image: string
          readonly args: ReadonlyArray<string>
          readonly env: ReadonlyArray<{ readonly key: string; readonly value: string }>
        }
      }
    | { readonly case: "k8sPod"; readonly value: { readonly podSpec?: unknown } }
    | { readonly case: "sql" | undefined }
}

/**
 * What the job takes from the template's container or pod; nothing where it has neither.
 */
export const containerOf = Effect.fnUntraced(function* ({
  type,
  target
}: Template): Effect.fn.Return<JobSpec.Container | undefined, JobsError.JobsError> {
  // A refusal is counted by the task's type.
  yield* Call.note({ taskType: type })
  switch (target.case) {
    case "container": {
      const { image, args, env } = target.value
      return { image, args, env: Object.fromEntries(env.map(({ key, value }) => [key, value])) }
    }
    case "k8sPod":
      return yield* Effect.fromResult(PodTemplate.toContainer(target.value.podSpec))
    default:
      return undefined
  }
})
