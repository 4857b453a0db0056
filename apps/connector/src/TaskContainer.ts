/**
 * The container of a task template, in the words that both versions of Flyte share. A task with a pod template has a pod
 * instead.
 */
import { type JobsError, type JobSpec, PodTemplate } from "@flyte-databricks/databricks-jobs"
import type { Flyte1, Flyte2 } from "@flyte-databricks/flyte-protocol"
import * as Effect from "effect/Effect"
import * as Call from "./call/Call.ts"

/**
 * What the job takes from the template's container or pod; nothing where it has neither.
 */
export const containerOf = Effect.fnUntraced(function* ({
  type,
  target
}: Flyte1.TaskTemplate | Flyte2.TaskTemplate): Effect.fn.Return<JobSpec.Container | undefined, JobsError.JobsError> {
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
