/** Runs, and tasks that cannot become one. */
import { type Entries, error, shown } from "./entry.ts"

export const runs = {
  FDC601: shown(
    "no-news-of-run",
    "A poll met with a fault that may pass",
    "Nothing: the run goes on. The message says what did not answer.",
    "No news of run"
  ),
  FDC602: shown(
    "not-cancelled",
    "A run was not cancelled",
    "End it by hand, or mend what the message names: Flyte asks again.",
    "was not cancelled"
  ),
  FDC603: shown(
    "run-not-followed",
    "A run cannot be followed any more",
    "Mend what the message names, or end the run by hand.",
    "The run may still be going on"
  ),
  FDC604: shown(
    "deadline",
    "The deadline of the call came first",
    "See what was waited for: the message says it.",
    "was given up after"
  ),
  FDC605: error("fdc605", "The task cannot run on Databricks", "Change the task as the message says."),
  FDC606: error("fdc606", "The request is not one that this connector can serve", "Change it as the message says."),
  FDC607: shown(
    "pod-template",
    "The task's pod template has what a job on Databricks has no place for",
    "Take off the template what the message names.",
    "has what a job on Databricks has no place for",
    "has the placeholder"
  ),
  FDC608: shown(
    "metadata-refused",
    "The job metadata is not signed by this connector's key",
    "Look for who wrote it; after a change of keys, put the one before back as the second.",
    "The job metadata of this task is refused"
  ),
  FDC609: shown(
    "run-of-another",
    "The run was made by somebody else than its metadata says",
    "See who that is, and run the task again.",
    "was made by"
  ),
  FDC610: shown(
    "overloaded",
    "A request to Databricks was not made, as its turn would have come too late",
    "Nothing, where it passes. If it lasts, add replicas or raise the limit that the message names.",
    "was not asked to"
  ),
  FDC611: shown(
    "audit-unavailable",
    "The audit event of a submit cannot be written",
    "See to the device that the message names: room, rights, whoever reads it.",
    "because the audit event could not be written"
  )
} as const satisfies Entries
