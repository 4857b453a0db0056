/** Who a task is: credentials that are missing, or not whole. */
import { type Entries, error, shown } from "./entry.ts"

export const identity = {
  FDC201: shown(
    "no-credentials",
    "Nothing was found anywhere",
    "Make one of the places whole: `connector onboard` prints what a namespace needs.",
    "No credentials for"
  ),
  FDC202: shown(
    "secret-not-whole",
    "The Secret is there and not whole",
    "Give it the key that it lacks, or delete it.",
    "lacks key",
    "has a blank value"
  ),
  FDC203: {
    ...shown(
      "service-account-without-client-id",
      "A ServiceAccount has the label and no client id",
      "Annotate it with flyte.org/databricks-client-id, or take the label off.",
      "none has annotation",
      "seen and skipped"
    ),
    level: "warning"
  },
  FDC204: shown(
    "two-service-accounts",
    "More than one ServiceAccount has the label",
    "Take the label off all but one.",
    "ServiceAccounts with annotation"
  ),
  FDC205: shown(
    "half-a-pair",
    "The connector has half of a credential",
    "For OAuth M2M set the client secret too; for Model 1 see whether the token is mounted.",
    "has neither a client secret nor a JWT file to go with it"
  ),
  FDC206: shown(
    "jwt-file",
    "The JWT file of the connector is not whole",
    "See whether the projected volume is there, at the path that the message names.",
    "does not exist",
    "does not hold a JWT",
    "is empty"
  ),
  FDC207: shown(
    "jwt-expired",
    "The JWT file has expired",
    "Mount a projected volume in place of a copy of a token.",
    "it is no longer rotated"
  ),
  FDC208: shown(
    "another-client-id",
    "The credential is another principal's",
    "Put the old one back, or take the demand for a client id off the task.",
    "holds client id"
  ),
  FDC209: shown(
    "credential-gone",
    "The credential of a run under way is gone",
    "Put it back until the run has ended.",
    "The identity is pinned to"
  ),
  FDC210: shown(
    "task-token-file",
    "The task names a JWT file that it may not have",
    "List its directory in FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS, or take the key off the task.",
    "tasks may name no file on this connector",
    "is refused: it is not inside"
  ),
  FDC211: error("fdc211", "A credential is there and cannot be used", "Mend it as the message says, or remove it.")
} as const satisfies Entries
