import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { JobsError, JobSpecInvalid } from "../JobsError.ts"
import { isObject, kindOf } from "./json.ts"

/** Says where a task is wrong and what its author can do. */
export const invalid = (at: string, problem: string, remedy: string): Result.Result<never, JobsError> =>
  Result.fail(new JobsError({ reason: new JobSpecInvalid({ at, problem, remedy }) }))

/** The value, if it is an object. */
export const expectObject = (
  value: Schema.Json | undefined,
  at: string,
  remedy: string
): Result.Result<Schema.JsonObject, JobsError> => {
  if (isObject(value)) return Result.succeed(value)
  return value === undefined
    ? invalid(at, "is missing", remedy)
    : invalid(at, `is ${kindOf(value)}, expected an object`, remedy)
}
