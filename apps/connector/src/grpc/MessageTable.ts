/**
 * What a reader has to know of a type, found out once. What a field is, and its number, are its descriptor's to say.
 */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf"
import { FeatureSet_FieldPresence, StructSchema } from "@bufbuild/protobuf/wkt"
import { tagOf, wireTypes } from "./Cursor.ts"

export interface Table {
  /** By their tags: what has another wire type than its field is none that is known, as it is none to the scan. */
  readonly fields: ReadonlyMap<number, Field>
  /** What there is before anything is read, but for lists and maps, which each message has of its own. */
  readonly empty: Content
  readonly lists: ReadonlyArray<string>
  readonly maps: ReadonlyArray<string>
}

/** A message, by the names of its fields. */
export type Content = Record<string, unknown>

export type Field = Shape & {
  /** Of the field, or of the oneof that it is a case of. */
  readonly name: string
  readonly oneofCase: string | undefined
}

type Shape =
  | { readonly kind: ScalarKind | "strings" | "map" | "struct" | "unwanted" }
  | { readonly kind: "message" | "messages"; readonly inner: Table }

type ScalarKind = "string" | "bytes" | "bool" | "int32" | "uint32" | "int64" | "uint64"

/** By the name of a field, `true` or what is wanted of it. */
export type Wants = Readonly<Record<string, unknown>>

export const tableOf = (type: DescMessage, wanted: Wants): Table => {
  const fields = new Map<number, Field>()
  const empty: Content = {}
  const lists: Array<string> = []
  const maps: Array<string> = []
  const add = (field: DescField, part: unknown, name: string, oneofCase?: string) =>
    fields.set(tagOf(field, wireTypeOf(field)), { ...shapeOf(field, part), name, oneofCase })

  for (const [name, part] of Object.entries(wanted)) {
    const member = type.members.find(({ localName }) => localName === name)
    if (member === undefined) throw new Error(`${type.typeName} has no ${name}.`)
    if (member.kind === "oneof") {
      empty[name] = noCase
      // Also one that is not wanted takes the place of one that is.
      for (const field of member.fields) add(field, (part as Wants)[field.localName], name, field.localName)
    } else {
      add(member, part, name)
      empty[name] = emptyOf(member)
      if (member.fieldKind === "list") lists.push(name)
      if (member.fieldKind === "map") maps.push(name)
    }
  }
  return { fields, empty, lists, maps }
}

const noCase = { case: undefined }

// Numbers of fixed length, and others that no request has, are not among them.
const scalars: { readonly [Type in ScalarType]?: { readonly kind: ScalarKind; readonly empty: unknown } } = {
  [ScalarType.STRING]: { kind: "string", empty: "" },
  [ScalarType.BYTES]: { kind: "bytes", empty: new Uint8Array() },
  [ScalarType.BOOL]: { kind: "bool", empty: false },
  [ScalarType.INT32]: { kind: "int32", empty: 0 },
  [ScalarType.UINT32]: { kind: "uint32", empty: 0 },
  [ScalarType.INT64]: { kind: "int64", empty: 0n },
  [ScalarType.UINT64]: { kind: "uint64", empty: 0n }
}

const shapeOf = (field: DescField, part: unknown): Shape => {
  switch (field.fieldKind) {
    case "scalar": {
      const scalar = scalars[field.scalar]
      if (scalar !== undefined && hasDefault(field)) return scalar
      break
    }
    case "enum":
      if (hasDefault(field)) return { kind: "int32" }
      break
    case "message":
      if (part === undefined) return { kind: "unwanted" }
      if (isWants(part)) return { kind: "message", inner: tableOf(field.message, part) }
      if (field.message.typeName === StructSchema.typeName) return { kind: "struct" }
      break
    case "list":
      if (field.listKind === "message" && isWants(part)) {
        return { kind: "messages", inner: tableOf(field.message, part) }
      }
      if (field.listKind === "scalar" && field.scalar === ScalarType.STRING) return { kind: "strings" }
      break
    case "map":
      if (field.mapKey === ScalarType.STRING && field.mapKind === "scalar" && field.scalar === ScalarType.STRING) {
        return { kind: "map" }
      }
  }
  throw new Error(`There is no way to read ${field.toString()}.`)
}

// Of others it can be told that they were not sent, which no request has.
const hasDefault = ({ presence, oneof }: DescField): boolean =>
  presence === FeatureSet_FieldPresence.IMPLICIT || oneof !== undefined

const isWants = (part: unknown): part is Wants => typeof part === "object"

const wireTypeOf = (field: DescField): number =>
  field.fieldKind === "enum" ||
  (field.fieldKind === "scalar" && field.scalar !== ScalarType.STRING && field.scalar !== ScalarType.BYTES)
    ? wireTypes.varint
    : wireTypes.sized

const emptyOf = (field: DescField): unknown =>
  field.fieldKind === "scalar" ? scalars[field.scalar]?.empty : field.fieldKind === "enum" ? 0 : undefined
