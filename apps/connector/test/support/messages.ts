/** Messages of any type by chance, and what becomes of their bytes on the way. */
import { create, type DescField, type DescMessage, type JsonValue, ScalarType, toBinary } from "@bufbuild/protobuf"
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import { StructSchema } from "@bufbuild/protobuf/wkt"
import { assert } from "@effect/vitest"
import { field } from "./wire.ts"

/** A number below the given one. */
export type Dice = (sides: number) => number

/** The same throws for the same seed. */
export const diceOf = (seed: number): Dice => {
  let state = seed
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides
  }
}

const oneOf = <A>(dice: Dice, values: ReadonlyArray<A>): A => values[dice(values.length)]!
const listOf = <A>(dice: Dice, make: () => A): Array<A> => Array.from({ length: dice(4) }, make)

const texts = [
  "",
  "a",
  "case",
  "value",
  "__proto__",
  "constructor",
  "0",
  "é",
  "\ufeffmark",
  "\ufffd",
  "💥",
  "x".repeat(300)
]
const numbers = [0, -0, 1, -1, 0.1, 1e300, NaN, Infinity, -Infinity]

const struct = (dice: Dice, depth: number): Record<string, JsonValue> => {
  const json: Record<string, JsonValue> = {}
  for (const key of listOf(dice, () => oneOf(dice, texts))) own(json, key, jsonValue(dice, depth))
  return json
}

const own = (into: object, key: string, value: unknown) =>
  Object.defineProperty(into, key, { value, writable: true, enumerable: true, configurable: true })

const jsonValue = (dice: Dice, depth: number): JsonValue => {
  switch (dice(depth > 3 ? 4 : 6)) {
    case 0:
      return null
    case 1:
      return oneOf(dice, numbers)
    case 2:
      return oneOf(dice, texts)
    case 3:
      return dice(2) === 0
    case 4:
      return struct(dice, depth + 1)
    default:
      return listOf(dice, () => jsonValue(dice, depth + 1))
  }
}

const scalar = (dice: Dice, type: ScalarType): unknown => {
  switch (type) {
    case ScalarType.STRING:
      return oneOf(dice, texts)
    case ScalarType.BYTES:
      return Uint8Array.from(listOf(dice, () => dice(256)))
    case ScalarType.BOOL:
      return dice(2) === 0
    case ScalarType.INT32:
      return oneOf(dice, [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)])
    case ScalarType.UINT32:
      return oneOf(dice, [0, 1, 300, 2 ** 32 - 1])
    case ScalarType.INT64:
      return oneOf(dice, [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)])
    case ScalarType.UINT64:
      return oneOf(dice, [0n, 1n, 2n ** 53n + 1n, 2n ** 64n - 1n])
    default:
      return oneOf(dice, [0, 1, 0.5])
  }
}

const single = (dice: Dice, of: DescField, wanted: unknown): unknown => {
  if (of.message !== undefined) {
    return of.message.typeName === StructSchema.typeName ? struct(dice, 0) : initOf(dice, of.message, wanted)
  }
  return of.enum === undefined ? scalar(dice, of.scalar) : oneOf(dice, of.enum.values).number
}

// What is not wanted has no messages in it: there is no end of them.
const initOf = (dice: Dice, type: DescMessage, wanted: unknown): Record<string, unknown> => {
  const init: Record<string, unknown> = {}
  for (const of of type.fields) {
    if (dice(5) === 0 || (of.message !== undefined && wanted === undefined)) continue
    const want = wantOf(of, wanted)
    const name = of.oneof?.localName ?? of.localName
    if (of.oneof !== undefined) {
      if (init[name] === undefined || dice(2) === 0) init[name] = { case: of.localName, value: single(dice, of, want) }
    } else if (of.fieldKind === "list") {
      init[name] = listOf(dice, () => single(dice, of, want))
    } else if (of.fieldKind === "map") {
      init[name] = {}
      for (const key of listOf(dice, () => oneOf(dice, texts))) own(init[name] as object, key, single(dice, of, want))
    } else {
      init[name] = single(dice, of, want)
    }
  }
  return init
}

/** The bytes of a message. */
export const anyOf = (dice: Dice, type: DescMessage, wanted: Wants): Buffer =>
  Buffer.from(toBinary(type, create(type, initOf(dice, type, wanted))))

/** By the name of a field, `true` or what is wanted of it. */
type Wants = Readonly<Record<string, unknown>>

const wantOf = (of: DescField, wanted: unknown): unknown => {
  if (wanted === true || wanted === undefined) return wanted
  const own = of.oneof === undefined ? wanted : (wanted as Wants)[of.oneof.localName]
  return (own as Wants | undefined)?.[of.localName]
}

/** What is wanted of a message that was read whole. */
export const partOf = (type: DescMessage, wanted: Wants, whole: object): object =>
  Object.fromEntries(
    Object.entries(wanted).map(([name, want]) => {
      const value = (whole as Wants)[name]
      const member = type.members.find(({ localName }) => localName === name)
      assert(member !== undefined)
      if (member.kind !== "oneof") return [name, valueOf(member, want, value)]
      const set = value as { readonly case?: string; readonly value?: unknown }
      const of = member.fields.find(({ localName }) => localName === set.case)
      if (of === undefined) return [name, set]
      const inner = (want as Wants)[of.localName]
      return [name, { case: set.case, value: inner === undefined ? undefined : valueOf(of, inner, set.value) }]
    })
  )

const valueOf = (of: DescField, want: unknown, value: unknown): unknown => {
  if (value === undefined || want === true || of.message === undefined) return value
  const part = (item: unknown) => partOf(of.message, want as Wants, item as object)
  return Array.isArray(value) ? value.map(part) : part(value)
}

interface Raw {
  readonly number: number
  readonly wireType: WireType
  /** The tag too. */
  readonly whole: Uint8Array
  /** What has a length, without it. */
  readonly content: Uint8Array
}

const rawOf = (bytes: Uint8Array): ReadonlyArray<Raw> => {
  const reader = new BinaryReader(bytes)
  const raws: Array<Raw> = []
  while (reader.pos < reader.len) {
    const start = reader.pos
    const [number, wireType] = reader.tag()
    const value = reader.skip(wireType, number)
    const content = wireType === WireType.LengthDelimited ? new BinaryReader(value).bytes() : value
    raws.push({ number, wireType, whole: bytes.subarray(start, reader.pos), content })
  }
  return raws
}

// The wire has a message for each entry of a map.
type Holder = DescMessage | (DescField & { readonly fieldKind: "map" })

const fieldOf = (holder: Holder, number: number): DescField | undefined =>
  holder.kind === "message" ? holder.fields.find((of) => of.number === number) : undefined

const innerOf = (holder: Holder, number: number): Holder | undefined => {
  if (holder.kind === "field") return number === 2 ? holder.message : undefined
  const of = fieldOf(holder, number)
  return of?.fieldKind === "map" ? of : of?.message
}

const sizedScalars: ReadonlyArray<unknown> = [ScalarType.STRING, ScalarType.BYTES]
const wireTypeOf = (holder: Holder, number: number): WireType | undefined => {
  const of = holder.kind === "field" ? holder : fieldOf(holder, number)
  if (of === undefined || (holder.kind === "field" && number > 2)) return undefined
  if (holder.kind === "field" && number === 1) return WireType.LengthDelimited
  if (of.message !== undefined || sizedScalars.includes(of.scalar)) return WireType.LengthDelimited
  if (holder.kind === "message" && of.fieldKind === "map") return WireType.LengthDelimited
  return of.scalar === ScalarType.DOUBLE ? WireType.Bit64 : WireType.Varint
}

/** The bytes of what is wanted, without fields that have another wire type than theirs. */
export const sifted = (holder: Holder, wanted: unknown, bytes: Uint8Array): Buffer =>
  Buffer.concat(
    rawOf(bytes).map(({ number, wireType, whole, content }) => {
      const of = fieldOf(holder, number)
      const want = of === undefined ? true : wantOf(of, wanted)
      if (wireType !== wireTypeOf(holder, number)) return Buffer.alloc(0)
      const inner = innerOf(holder, number)
      if (want !== undefined) return inner === undefined ? whole : field(number, sifted(inner, want, content))
      // A case that is not wanted takes the place of one that is.
      return of?.oneof !== undefined && inner !== undefined ? field(number, Buffer.alloc(0)) : Buffer.alloc(0)
    })
  )

const unknowns = [
  Buffer.of(0xc0, 0x3e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
  Buffer.of(0xc1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8),
  Buffer.of(0xc2, 0x3e, 2, 0xff, 0xff),
  Buffer.of(0xc5, 0x3e, 1, 2, 3, 4)
]

/** The same with unknown fields everywhere, with known ones of other wire types, and with some contents twice. */
export const muddled = (dice: Dice, holder: Holder, bytes: Uint8Array): Buffer =>
  Buffer.concat(
    rawOf(bytes).flatMap(({ number, whole, content }) => {
      const inner = innerOf(holder, number)
      const muddle = () => muddled(dice, inner!, content)
      const known =
        inner === undefined ? whole : field(number, Buffer.concat(dice(4) === 0 ? [muddle(), muddle()] : [muddle()]))
      if (dice(6) > 0) return [known]
      const isSized = wireTypeOf(holder, number) === WireType.LengthDelimited
      return [known, oneOf(dice, unknowns), isSized ? tagged(number, WireType.Varint, 7) : field(number, content)]
    })
  )

const tagged = (number: number, wireType: WireType, ...rest: ReadonlyArray<number>): Buffer =>
  Buffer.from(new BinaryWriter().tag(number, wireType).raw(Uint8Array.from(rest)).finish())
