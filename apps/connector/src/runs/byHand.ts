/**
 * What a person can do about a run that the connector has lost hold of.
 */
import type { RunId } from "@flyte-databricks/databricks-jobs"
import * as Option from "effect/Option"

/** Says how to end the run without the connector. */
export const endByHand = (runId: RunId.RunId, link: Option.Option<string>): string =>
  `The run may still be going on: end it ${Option.match(link, {
    onNone: () => "in its workspace (Job runs)",
    onSome: (page) => `on its page, ${page},`
  })} or with "databricks jobs cancel-run ${runId}".`
