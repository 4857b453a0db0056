import { Schema } from "effect"

/** Two JSON values are equal when this text is: the order of keys says nothing, `__proto__` is a key like any other. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : item
  )

/** Freezes a value all through, so that whoever writes to it fails. */
export const deepFreeze = <A>(value: A): A => {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze)
  return value
}

export const parseJson = (text: string): Schema.Json => Schema.decodeUnknownSync(Schema.Json)(JSON.parse(text))
