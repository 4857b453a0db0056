/**
 * A run as the Jobs API tells of it: how it is doing, what it is made of, and what it left behind. What this project has
 * no use for is left out.
 */
import * as Schema from "effect/Schema"
import { boundedText } from "./internal/boundedText.ts"
import { RunIdFromJson } from "./RunId.ts"
import { RunState } from "./RunState.ts"

const text = (maxLength: number) => Schema.optionalKey(Schema.NullOr(boundedText(maxLength)))
const millis = Schema.optionalKey(Schema.NullOr(Schema.Finite))

// What a run and each of its tasks have in common.
const life = {
  ...RunState.fields,
  cluster_instance: Schema.optionalKey(Schema.NullOr(Schema.Struct({ cluster_id: text(200) })))
}

/** A task of a run. It has a run id of its own. */
export const RunTask = Schema.Struct({ ...life, task_key: text(200), run_id: Schema.optionalKey(RunIdFromJson) })
export type RunTask = typeof RunTask.Type

// Databricks lets a job have a thousand. Whether there are more is looked at before they are.
const Tasks = Schema.Array(Schema.Unknown)
  .check(Schema.isMaxLength(1000))
  .pipe(Schema.decodeTo(Schema.Array(RunTask)))

/** A run as `runs/get` tells of it. Times are in milliseconds, zero for "not yet". */
export const Run = Schema.Struct({
  ...life,
  job_id: Schema.optionalKey(RunIdFromJson),
  run_name: text(4096),
  run_page_url: text(2048),
  creator_user_name: text(500),
  run_as_user_name: text(500),
  start_time: millis,
  end_time: millis,
  tasks: Schema.optionalKey(Schema.NullOr(Tasks))
}).check(
  // An answer without either says nothing about the run, whatever its status.
  Schema.makeFilter(
    ({ state, status }) => (state ?? status ?? undefined) !== undefined || "expected a state or a status"
  )
)
export type Run = typeof Run.Type

/** What a task of a run has left behind, as `runs/get-output` tells of it. */
export const RunOutput = Schema.Struct({
  /** What the task printed, its last 5 MB. */
  logs: Schema.optionalKey(Schema.NullOr(Schema.String)),
  logs_truncated: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
  error: text(64 * 1024),
  error_trace: text(256 * 1024),
  notebook_output: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        result: Schema.optionalKey(Schema.NullOr(Schema.String)),
        truncated: Schema.optionalKey(Schema.NullOr(Schema.Boolean))
      })
    )
  )
})
export type RunOutput = typeof RunOutput.Type
