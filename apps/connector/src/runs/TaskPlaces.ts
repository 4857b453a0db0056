/**
 * Where a task stands in line, as far as tasks that said the same have shown: for which workspace, and of which namespace. A
 * call waits there before anything else is known of it. It decides nothing: the request itself stands where its identity is.
 */
import { TaskSettings } from "@flyte-databricks/databricks-auth"
import * as Predicate from "effect/Predicate"
import type { Attempt } from "../IdempotencyToken.ts"
import * as Kept from "./Kept.ts"

/** How much is remembered. */
export const most: Kept.Most = { entries: 1000, characters: 512 * 1024 }

interface Place {
  readonly workspace: string
  readonly namespace: string
}

/** What a place depends on, beside the operator's settings. */
interface Task {
  readonly custom: unknown
  readonly namespace: string
  readonly attempt: Pick<Attempt, "org" | "project" | "domain">
}

export const make = () => {
  const known = Kept.make<string, Place>(most)
  return {
    /** The place of a task; none where no such task was seen. */
    of: (task: Task): Place | undefined => known.get(said(task)),
    /** A task that said this was at that place. */
    learn: (task: Task, place: Place): void => {
      const name = said(task)
      if (known.get(name) === undefined) known.set(name, place, name.length + Kept.charactersOf(place))
    }
  }
}

const said = ({ custom, namespace, attempt: { org, project, domain } }: Task): string =>
  JSON.stringify([
    namespace,
    org,
    project,
    domain,
    ...[TaskSettings.customKeys.instance, TaskSettings.customKeys.workspaceId].map((key) =>
      Predicate.hasProperty(custom, key) && Predicate.isString(custom[key]) ? custom[key] : ""
    )
  ])
