/** Settings. */
import { type Entries, error, shown, warning } from "./entry.ts"

export const settings = {
  FDC001: error(
    "fdc001",
    "A setting cannot be used",
    "Correct the setting that the message names; blank counts as unset."
  ),
  FDC002: warning(
    "fdc002",
    "A variable looks like a setting and is none",
    "Write the name as docs/settings.md has it, or unset the variable."
  ),
  FDC003: warning("fdc003", "Two settings contradict each other", "Unset the one that is not meant."),
  FDC004: error(
    "fdc004",
    "No workspace is named",
    "Set FLYTE_DATABRICKS_INSTANCE on the connector, or databricks_instance on the task."
  ),
  FDC005: shown(
    "instance-refused",
    "The workspace is not one that credentials may go to",
    "Name it in FLYTE_DATABRICKS_INSTANCE or FLYTE_DATABRICKS_ALLOWED_INSTANCES, if it is yours.",
    'Databricks instance "…" is refused'
  ),
  FDC006: error(
    "fdc006",
    "The request makes no valid namespace",
    "Give the parts that FLYTE_DATABRICKS_NAMESPACE_TEMPLATE asks for (--project, --domain, --org), or change the template."
  ),
  FDC007: error("fdc007", "The namespace is not served", "List it in FLYTE_DATABRICKS_NAMESPACES."),
  FDC008: shown(
    "task-override",
    "The task chooses its identity, and may not",
    "Take the keys that the message names off the task.",
    "but this connector runs with FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE=false"
  ),
  FDC009: error(
    "fdc009",
    "The identity may not be used",
    "Let the namespace bring its own, or change the setting that the message names."
  ),
  FDC010: error("fdc010", "The auth type is not served", "Choose one of those that the message names."),
  FDC011: warning(
    "fdc011",
    "Credentials of namespaces may go to every workspace of Databricks",
    "List your workspaces in FLYTE_DATABRICKS_ALLOWED_INSTANCES."
  ),
  FDC012: warning(
    "fdc012",
    "Tasks that say nothing of their identity may not get what is meant",
    "Set what the message names; `serve` says the same when it starts."
  )
} as const satisfies Entries
