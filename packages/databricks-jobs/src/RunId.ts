/**
 * The id of a run. Databricks gives a 64-bit integer, more than a JavaScript number holds, so it stays text.
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** A run's id in decimal digits. */
export const RunId = Schema.String.check(
  Schema.isPattern(/^[1-9]\d{0,18}$/, { expected: "the digits of a 64-bit integer" })
).pipe(Schema.brand("@flyte-databricks/databricks-jobs/RunId"))
export type RunId = typeof RunId.Type

/** A run's id as JSON carries it: a number, or digits in a string. */
export const RunIdFromJson = Schema.Union([Schema.String, Schema.Int]).pipe(
  Schema.decodeTo(RunId, SchemaTransformation.transform({ decode: (id) => String(id), encode: (id) => id }))
)
