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

/** Whether the value is JSON whose objects and lists are nested so many levels deep at most; no deeper does it look. */
export const isJson = (value: unknown, levels: number): value is Schema.Json => {
  if (typeof value === "number") return Number.isFinite(value)
  if (typeof value !== "object" || value === null) {
    return value === null || typeof value === "string" || typeof value === "boolean"
  }
  if (levels === 0 || !(Array.isArray(value) || isPlain(value))) return false
  // A list with a hole has "undefined" there, once it is copied.
  const children: ReadonlyArray<unknown> = Array.isArray(value) ? [...value] : Object.values(value)
  return children.every((child) => isJson(child, levels - 1))
}

// A date has no keys of its own, and would pass for an empty object.
const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
