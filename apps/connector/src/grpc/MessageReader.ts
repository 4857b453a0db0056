/**
 * Reads of a message what the connector uses, and makes nothing of the rest: most fields of a request are for others.
 */
import type { DescMessage, DescService, JsonObject, Message, MessageShape } from "@bufbuild/protobuf"
import { grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import type { ServiceDefinition } from "@grpc/grpc-js"
import { Cursor, wireTypes } from "./Cursor.ts"
import { type Content, type Field, type Table, tableOf, type Wants } from "./MessageTable.ts"
import { readEntry, readStruct } from "./StructReader.ts"

/** The fields that are wanted of a message, or of those in a list; of a message in it, in turn; of a oneof, its cases. */
type Wanted<Value> = Value extends Message
  ? { readonly [Name in Exclude<keyof Value, keyof Message>]?: Wanted<NonNullable<Value[Name]>> }
  : Value extends ReadonlyArray<infer Item>
    ? Wanted<Item>
    : Value extends { readonly case: infer Case; readonly value?: infer Inner }
      ? { readonly [Name in Case & string]?: Wanted<Inner> }
      : true

/** What is read of a value. Of a case that is not wanted only the name is. */
type Part<Value, Want> = Want extends true
  ? Value
  : Value extends Message
    ? { readonly [Name in keyof Value as Name & keyof Want]: Part<Value[Name], Want[Name & keyof Want]> }
    : Value extends ReadonlyArray<infer Item>
      ? ReadonlyArray<Part<Item, Want>>
      : Value extends { readonly case: infer Case extends string; readonly value: infer Inner }
        ? { readonly case: Case; readonly value: Case extends keyof Want ? Part<Inner, Want[Case]> : unknown }
        : Value

/** A reader of messages of the type, which makes this much of them. */
export interface Reader<Type extends DescMessage, Made> {
  readonly type: Type
  readonly wanted: Wants
  /** Throws where the bytes are no such message. */
  readonly read: (bytes: Uint8Array) => Made
}

/** What a reader makes. */
export type Read<From> = From extends Reader<DescMessage, infer Made> ? Made : never

export const reader = <Type extends DescMessage, const Want extends Wanted<MessageShape<Type>>>(
  type: Type,
  wanted: Want
): Reader<Type, Part<MessageShape<Type>, Want>> => {
  const wants: Wants = wanted
  const table = tableOf(type, wants)
  return {
    type,
    wanted: wants,
    read: (bytes) => readFields(new Cursor(bytes), table, emptyOf(table)) as Part<MessageShape<Type>, Want>
  }
}

/** The service's methods, each with the reader of its requests. */
export const readBy = <Service extends DescService>(
  service: Service,
  readers: { readonly [Name in keyof Service["method"]]: Reader<Service["method"][Name]["input"], unknown> }
): ServiceDefinition => {
  const read: Readonly<Record<string, Reader<DescMessage, unknown>>> = readers
  return Object.fromEntries(
    Object.entries(grpcServiceDefinition<DescService>(service)).map(([name, method]) => [
      name,
      { ...method, requestDeserialize: read[name]!.read }
    ])
  )
}

const readFields = (from: Cursor, { fields }: Table, into: Content): Content => {
  while (!from.isAtEnd) {
    const tag = from.tag()
    const field = fields.get(tag)
    if (field === undefined) from.skip(tag & 7)
    else if (field.oneofCase === undefined) into[field.name] = readValue(from, field, into[field.name])
    else {
      const before = into[field.name] as { readonly case?: string; readonly value?: unknown }
      const value = readValue(from, field, before.case === field.oneofCase ? before.value : undefined)
      into[field.name] = { case: field.oneofCase, value }
    }
  }
  return into
}

// What comes twice replaces the first, but messages are joined, and so are lists and maps.
const readValue = (from: Cursor, field: Field, before: unknown): unknown => {
  switch (field.kind) {
    case "string":
      return from.string()
    case "bytes":
      return from.bytes()
    case "bool":
      return from.bool()
    case "int32":
      return from.varint() | 0
    case "uint32":
      return from.varint()
    case "int64":
      return BigInt.asIntN(64, from.varint64())
    case "uint64":
      return from.varint64()
    case "message":
      return readMessage(from, field.inner, before as Content | undefined)
    case "struct":
      return readStruct(from, (before as JsonObject | undefined) ?? {})
    case "map":
      return readEntry(from, before as Record<string, string>)
    case "strings":
      return pushed(before, from.string())
    case "messages":
      return pushed(before, readMessage(from, field.inner))
    case "unwanted":
      return void from.skip(wireTypes.sized)
  }
}

const pushed = (list: unknown, item: unknown): unknown => {
  ;(list as Array<unknown>).push(item)
  return list
}

const readMessage = (from: Cursor, table: Table, before: Content = emptyOf(table)): Content => {
  const outer = from.enter()
  readFields(from, table, before)
  from.leave(outer)
  return before
}

const emptyOf = ({ empty, lists, maps }: Table): Content => {
  const message = { ...empty }
  for (const name of lists) message[name] = []
  for (const name of maps) message[name] = {}
  return message
}
