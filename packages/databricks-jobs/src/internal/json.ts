/**
 * Looking at JSON values that somebody else wrote.
 */
import type * as Schema from "effect/Schema"

/** Whether the value is a JSON object. */
export const isObject = (value: Schema.Json | undefined): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Whether the value is a JSON array. */
export const isArray = (value: Schema.Json | undefined): value is Schema.JsonArray => Array.isArray(value)

/**
 * Whether Python takes the value for true: Flyte's connector asks that of most keys, and answers "not given" for
 * empty strings, lists and objects, zero and `false` alike.
 */
export const isTruthy = (value: Schema.Json | undefined): value is Schema.Json => {
  if (isArray(value)) return value.length > 0
  if (isObject(value)) return Object.keys(value).length > 0
  return Boolean(value)
}

/** Names a value's kind without repeating the value, which may be a secret. */
export const kindOf = (value: Schema.Json | undefined): string => {
  if (value === undefined) return "missing"
  if (value === null) return "null"
  if (isArray(value)) return "a list"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

/**
 * Whether objects and lists are nested more than so many levels deep. It walks level by level, because recursion would
 * exhaust the stack.
 */
export const isDeeperThan = (value: Schema.Json, levels: number): boolean => {
  let level: ReadonlyArray<Schema.Json> = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth >= levels) return true
    level = level.flatMap((item) =>
      (isArray(item) ? [...item] : isObject(item) ? Object.values(item) : []).filter(
        (child) => typeof child === "object" && child !== null
      )
    )
  }
  return false
}
