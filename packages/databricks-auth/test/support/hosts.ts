import { WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert } from "@effect/vitest"
import { Effect } from "effect"

const { admit, allowList, databricksDomains } = WorkspaceHost

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
