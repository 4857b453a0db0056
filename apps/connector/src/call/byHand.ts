/**
 * What a person can do about a run that the connector has lost hold of.
 */
import type { RunId } from "@flyte-databricks/databricks-jobs"

/** Says how to end the run without the connector; its page is named where it is known. */
export const endByHand = (runId: RunId.RunId, page: string | undefined): string =>
  `The run may still be going on: end it ${page === undefined ? "in its workspace (Job runs)" : `on its page, ${page},`} ` +
  `or with "databricks jobs cancel-run ${runId}".`
