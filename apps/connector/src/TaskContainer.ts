/**
 * The container of a task template, in the words that both versions of Flyte share. A task with a pod template has a pod
 * instead.
 */
import { type JobsError, type JobSpec, PodTemplate } from "@flyte-databricks/databricks-jobs"
import * as Result from "effect/Result"

/** A template, as both versions of Flyte send it. */
interface Template {
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
export const containerOf = ({
  target
}: Template): Result.Result<JobSpec.Container | undefined, JobsError.JobsError> => {
  switch (target.case) {
    case "container": {
      const { image, args, env } = target.value
      return Result.succeed({ image, args, env: Object.fromEntries(env.map(({ key, value }) => [key, value])) })
    }
    case "k8sPod":
      return PodTemplate.toContainer(target.value.podSpec)
    default:
      return Result.succeed(undefined)
  }
}
