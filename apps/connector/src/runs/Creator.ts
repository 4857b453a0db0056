/**
 * Who made a run, as Databricks tells it, held against who its metadata says it was submitted as.
 */
import { Identity } from "@flyte-databricks/databricks-auth"
import type { Run } from "@flyte-databricks/databricks-jobs"
import * as Option from "effect/Option"

// Databricks calls a service principal by its application id, and a user by an e-mail address.
const applicationId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const address = /^[^\s@]+@[^\s@]+$/

/**
 * Who made the run, where that is certainly somebody else. Whose a PAT is, is not known; and of a name that is neither an
 * application id nor an address, nobody knows whose it is.
 */
export const somebodyElse = (
  identity: Identity.Identity,
  { creator_user_name }: Pick<Run.Run, "creator_user_name">
): Option.Option<string> => {
  const creator = creator_user_name?.trim() ?? ""
  const isElse = Option.exists(Identity.clientIdOf(identity), (clientId) =>
    applicationId.test(creator)
      ? applicationId.test(clientId) && creator.toLowerCase() !== clientId.toLowerCase()
      : address.test(creator) && creator !== clientId
  )
  return isElse ? Option.some(creator) : Option.none()
}
