/**
 * What both versions of Flyte have alike in their requests: what is read of them, and what is said of a create as it begins.
 */
import * as Effect from "effect/Effect"
import * as Call from "./call/Call.ts"
import * as Metrics from "./telemetry/Metrics.ts"

export const taskCategory = { name: true } as const

/** Of a template: the container or pod that the job is made of. */
export const target = {
  container: { image: true, args: true, env: { key: true, value: true } },
  k8sPod: { podSpec: true }
} as const

/** Of the metadata of an execution: which attempt it is, and for whom. */
export const execution = {
  taskExecutionId: {
    taskId: { name: true },
    nodeExecutionId: { nodeId: true, executionId: { org: true, project: true, domain: true, name: true } },
    retryAttempt: true
  },
  namespace: true,
  k8sServiceAccount: true,
  identity: { executionIdentity: true, k8sServiceAccount: true }
} as const

interface Received {
  readonly message: { readonly template?: { readonly type: string } | undefined }
  readonly inputBytes: number
}

/** Says of what type a task is, by which a refusal is counted too, and how large its inputs are. */
export const begun = ({ message: { template }, inputBytes }: Received): Effect.Effect<void> =>
  Effect.andThen(
    Call.note(template === undefined ? {} : { taskType: template.type }),
    Metrics.inputs(template?.type ?? "", inputBytes)
  )
