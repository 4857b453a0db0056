import { WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert } from "@effect/vitest"
import { Effect } from "effect"

const { databricksDomains } = WorkspaceHost

// What the fence says, as a step of a test.
export const admit = (...given: Parameters<typeof WorkspaceHost.admit>) =>
  Effect.fromResult(WorkspaceHost.admit(...given))
export const allowList = (...given: Parameters<typeof WorkspaceHost.allowList>) =>
  Effect.fromResult(WorkspaceHost.allowList(...given))
export const canonicalize = (input: string) => Effect.fromResult(WorkspaceHost.canonicalize(input))

/** The host of an instance, where these patterns are the allow-list. */
export const admitUnder = (patterns: ReadonlyArray<string>, input: string) =>
  Effect.flatMap(allowList(patterns), (list) => admit(input, list))

/** Why an instance is refused; a host that is admitted is a failure of the test. */
export const refusal = (input: string, patterns: ReadonlyArray<string> = databricksDomains) =>
  Effect.map(Effect.flip(admitUnder(patterns, input)), (error) => {
    const { reason } = error
    assert(reason._tag === "InstanceRefused", `${reason._tag} instead of InstanceRefused`)
    return { why: reason.why, instance: reason.instance, message: error.message, reason }
  })
