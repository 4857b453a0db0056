/**
 * What a message holds, told from its bytes and its type before anything is made of it. To read a message makes an
 * object of every value: a million of them fit into a request of 4 MB, and fill the memory. This makes none, and takes
 * time by the byte.
 */
import type { DescMessage } from "@bufbuild/protobuf"

/** What a message holds. */
export interface Scan {
  /** Fields, elements and entries, of whatever kind and however deep, known to the type or not. */
  readonly values: number
  /** Where the wanted fields of the message itself stand. */
  readonly found: ReadonlyArray<Found>
}

interface Found {
  readonly start: number
  /** Behind the tag and the length. */
  readonly content: number
  readonly end: number
}

// By their numbers, the fields that are messages in turn.
type Shape = ReadonlyMap<number, Shape>

const shapes = new WeakMap<DescMessage, Shape>()

const shapeOf = (type: DescMessage): Shape => {
  const known = shapes.get(type)
  if (known !== undefined) return known
  const shape = new Map<number, Shape>()
  // Kept before it is whole: a type may hold itself.
  shapes.set(type, shape)
  for (const field of type.fields) {
    if (field.fieldKind === "map") {
      // On the wire an entry is a message of a key and a value.
      shape.set(field.number, field.mapKind === "message" ? new Map([[2, shapeOf(field.message)]]) : new Map())
    } else if (field.message !== undefined) {
      shape.set(field.number, shapeOf(field.message))
    }
  }
  return shape
}

/** As deep as the reader of messages goes. */
export const maxDepth = 100

/**
 * Scans a message; `undefined` where the bytes are none, or one that is nested deeper than is ever read. Fields of the
 * wanted number, of the message itself, are only found and not looked into.
 */
export const scan = (type: DescMessage, bytes: Uint8Array, wanted = 0): Scan | undefined => {
  const ends = [bytes.length]
  const stack = [shapeOf(type)]
  const found: Array<Found> = []
  let values = 0
  let position = 0

  // The low 32 bits of a varint, and where it ends; -1 where it has no end.
  let after = 0
  const varint = (from: number, limit: number): number => {
    let result = 0
    for (let at = from, shift = 0; at < limit && shift < 70; at++, shift += 7) {
      const byte = bytes[at]!
      if (shift < 32) result |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        after = at + 1
        return result >>> 0
      }
    }
    return -1
  }

  while (stack.length > 0) {
    const limit = ends.at(-1)!
    if (position === limit) {
      stack.pop()
      ends.pop()
      continue
    }
    const start = position
    const tag = varint(position, limit)
    if (tag === -1) return undefined
    values += 1
    switch (tag & 7) {
      case 0:
        if (varint(after, limit) === -1) return undefined
        position = after
        break
      case 1:
        position = after + 8
        break
      case 5:
        position = after + 4
        break
      case 2: {
        const length = varint(after, limit)
        if (length === -1 || length > limit - after) return undefined
        const end = after + length
        const inner = stack.at(-1)!.get(tag >>> 3)
        position = end
        if (stack.length === 1 && tag >>> 3 === wanted) found.push({ start, content: after, end })
        else if (inner !== undefined) {
          if (stack.length === maxDepth) return undefined
          ends.push(end)
          stack.push(inner)
          position = after
        }
        break
      }
      default:
        // Groups, which no message of today has.
        return undefined
    }
    if (position > limit) return undefined
  }
  return { values, found }
}
