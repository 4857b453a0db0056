/**
 * A run as the Jobs API tells of it: how it is doing, what it is made of, and what it left behind. What this project has
 * no use for is left out.
 */
import * as Schema from "effect/Schema"
import { RunIdFromJson } from "./RunId.ts"
import { RunState } from "./RunState.ts"

const text = Schema.optionalKey(Schema.NullOr(Schema.String))
const millis = Schema.optionalKey(Schema.NullOr(Schema.Finite))

// What a run and each of its tasks have in common.
const life = {
  ...RunState.fields,
  cluster_instance: Schema.optionalKey(Schema.NullOr(Schema.Struct({ cluster_id: text })))
}

/** A task of a run. It has a run id of its own. */
export const RunTask = Schema.Struct({ ...life, task_key: text, run_id: Schema.optionalKey(RunIdFromJson) })
export type RunTask = typeof RunTask.Type

/** A run as `runs/get` tells of it. Times are in milliseconds, zero for "not yet". */
export const Run = Schema.Struct({
  ...life,
  job_id: Schema.optionalKey(RunIdFromJson),
  run_name: text,
  run_page_url: text,
  creator_user_name: text,
  run_as_user_name: text,
  start_time: millis,
  end_time: millis,
  tasks: Schema.optionalKey(Schema.NullOr(Schema.Array(RunTask)))
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
  logs: text,
  logs_truncated: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
  error: text,
  error_trace: text,
  notebook_output: Schema.optionalKey(
    Schema.NullOr(Schema.Struct({ result: text, truncated: Schema.optionalKey(Schema.NullOr(Schema.Boolean)) }))
  )
})
export type RunOutput = typeof RunOutput.Type
