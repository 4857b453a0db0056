/**
 * The workspace's address as the client is given it. The core's own fence stands behind this: here it is said in the
 * client's words.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { parse, printable } from "../../internal/workspaceAddress.ts"
import { canonicalize, idOf, isAccountWide, type WorkspaceHost } from "../../WorkspaceHost.ts"
import { DatabricksError } from "../DatabricksError.ts"

export const read = Effect.fnUntraced(function* (
  given: string | undefined
): Effect.fn.Return<WorkspaceHost, DatabricksError> {
  if (given === undefined || given.trim() === "") {
    return yield* Effect.fail(invalid("No host: give one to databricks(), or set DATABRICKS_HOST."))
  }
  const refused = (why: string) => Effect.fail(invalid(`Host "${printable(given)}" is refused: ${why}.`))
  const parsed = parse(given)
  if (typeof parsed === "string") return yield* refused(parsed)
  // It was read above.
  const workspace = Result.getOrThrow(canonicalize(given))
  return isAccountWide(workspace) && idOf(workspace)._tag === "None"
    ? yield* refused(
        "it serves all workspaces of an account. Add the id of one, as in https://acme.databricks.com/?o=1234567890"
      )
    : workspace
})

const invalid = (message: string): DatabricksError => new DatabricksError("configuration_invalid", message)
