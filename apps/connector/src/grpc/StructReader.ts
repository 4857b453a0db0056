/**
 * Reads maps, and `google.protobuf.Struct` as the JSON that it stands for, without the messages in between. Who sends it
 * names the keys: whatever they are, they become properties of the object itself.
 */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf"
import { ListValueSchema, StructSchema, ValueSchema } from "@bufbuild/protobuf/wkt"
import { type Cursor, tagOf, wireTypes } from "./Cursor.ts"

const { fixed64, sized, varint } = wireTypes

// Every map is a list of such entries, which have no descriptor.
const keyTag = tagOf({ number: 1 }, sized)
const valueTag = tagOf({ number: 2 }, sized)

const entryTag = tagOf(StructSchema.field.fields, sized)
const itemTag = tagOf(ListValueSchema.field.values, sized)
const nullTag = tagOf(ValueSchema.field.nullValue, varint)
const boolTag = tagOf(ValueSchema.field.boolValue, varint)
const numberTag = tagOf(ValueSchema.field.numberValue, fixed64)
const stringTag = tagOf(ValueSchema.field.stringValue, sized)
const structTag = tagOf(ValueSchema.field.structValue, sized)
const listTag = tagOf(ValueSchema.field.listValue, sized)

/** Reads an entry of a map of strings into the map. */
export const readEntry = (from: Cursor, into: Record<string, string>): Record<string, string> => {
  const outer = from.enter()
  let key = ""
  let value = ""
  while (!from.isAtEnd) {
    const tag = from.tag()
    if (tag === keyTag) key = from.string()
    else if (tag === valueTag) value = from.string()
    else from.skip(tag & 7)
  }
  from.leave(outer)
  put(into, key, value)
  return into
}

/** Reads a struct into what was read of the same one before. */
export const readStruct = (from: Cursor, into: JsonObject): JsonObject => {
  const outer = from.enter()
  while (!from.isAtEnd) {
    const tag = from.tag()
    if (tag === entryTag) readField(from, into)
    else from.skip(tag & 7)
  }
  from.leave(outer)
  return into
}

const readField = (from: Cursor, into: JsonObject): void => {
  const outer = from.enter()
  let key = ""
  let value: JsonValue = null
  while (!from.isAtEnd) {
    const tag = from.tag()
    if (tag === keyTag) key = from.string()
    else if (tag === valueTag) value = readValue(from, value)
    else from.skip(tag & 7)
  }
  from.leave(outer)
  put(into, key, value)
}

// A value that comes twice replaces the first, but structs are joined, and so are lists.
const readValue = (from: Cursor, before: JsonValue): JsonValue => {
  const outer = from.enter()
  let value = before
  while (!from.isAtEnd) {
    const tag = from.tag()
    switch (tag) {
      case stringTag:
        value = from.string()
        break
      case numberTag:
        value = from.double()
        break
      case boolTag:
        value = from.bool()
        break
      case structTag:
        value = readStruct(from, isStruct(value) ? value : {})
        break
      case listTag:
        value = readList(from, Array.isArray(value) ? value : [])
        break
      case nullTag:
        from.varint()
        value = null
        break
      default:
        from.skip(tag & 7)
    }
  }
  from.leave(outer)
  return value
}

const readList = (from: Cursor, into: Array<JsonValue>): Array<JsonValue> => {
  const outer = from.enter()
  while (!from.isAtEnd) {
    const tag = from.tag()
    if (tag === itemTag) into.push(readValue(from, null))
    else from.skip(tag & 7)
  }
  from.leave(outer)
  return into
}

const isStruct = (value: JsonValue): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const put = (into: Record<string, unknown>, key: string, value: unknown): void => {
  // Assigned, it would be the object's prototype.
  if (key === "__proto__") {
    Object.defineProperty(into, key, { value, writable: true, enumerable: true, configurable: true })
  } else into[key] = value
}
