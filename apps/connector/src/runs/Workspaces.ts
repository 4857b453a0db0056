/**
 * Which workspace a task is for, as far as tasks that said the same have shown: a call waits in front of it before anything
 * else is known of it. It decides nothing; the request itself is made where the task's identity is.
 */
import { TaskSettings } from "@flyte-databricks/databricks-auth"
import * as Predicate from "effect/Predicate"
import * as Kept from "./Kept.ts"

/** How much is remembered. Most tasks say nothing, and are for the workspace of the operator. */
export const most: Kept.Most = { entries: 1000, characters: 256 * 1024 }

export const make = () => {
  const known = Kept.make<string, string>(most)
  return {
    /** The workspace of a task by its `custom`; none where no such task was seen. */
    of: (custom: unknown): string | undefined => known.get(said(custom)),
    /** A task of this `custom` was for this workspace. */
    learn: (custom: unknown, workspace: string): void => {
      const name = said(custom)
      if (known.get(name) === undefined) known.set(name, workspace, name.length + workspace.length)
    }
  }
}

const said = (custom: unknown): string =>
  [TaskSettings.customKeys.instance, TaskSettings.customKeys.workspaceId]
    .map((key) => (Predicate.hasProperty(custom, key) && Predicate.isString(custom[key]) ? custom[key] : ""))
    .join("\n")
