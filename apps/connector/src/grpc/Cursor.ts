/**
 * The bytes of a message, read from the beginning to the end. What does not fit into where it stands is refused: it throws.
 */
import { maxDepth } from "./WireScan.ts"

/** What precedes a field's value: the number of the field, and the wire type in the last three bits. */
export const tagOf = ({ number }: { readonly number: number }, wireType: number): number =>
  ((number << 3) | wireType) >>> 0

/** The wire types that are read; the rest is skipped. */
export const wireTypes = { varint: 0, fixed64: 1, sized: 2 }

export class Cursor {
  readonly #bytes: Buffer
  #at = 0
  #end: number
  #depth = 1

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#end = bytes.length
  }

  /** Whether all is read of what it is in: of the message, or of what it entered last. */
  get isAtEnd(): boolean {
    return this.#at === this.#end
  }

  /** Goes into what has a length, and tells the end of what that is in, for `leave`. */
  enter(): number {
    const outer = this.#end
    const length = this.varint()
    if (length > outer - this.#at || this.#depth === maxDepth) throw malformed()
    this.#depth += 1
    this.#end = this.#at + length
    return outer
  }

  leave(outer: number): void {
    this.#depth -= 1
    this.#end = outer
  }

  tag(): number {
    const start = this.#at
    const tag = this.varint()
    const length = this.#at - start
    // There is no field 0, and a tag has 32 bits.
    if (tag < 8 || length > 5 || (length === 5 && this.#bytes[this.#at - 1]! > 0x0f)) throw malformed()
    return tag
  }

  /** The low 32 bits: longer ones are cut off. */
  varint(): number {
    let result = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte()
      if (shift < 32) result |= (byte & 0x7f) << shift
      if (byte < 0x80) return result >>> 0
    }
    throw malformed()
  }

  varint64(): bigint {
    let result = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      result |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, result)
    }
    throw malformed()
  }

  bool(): boolean {
    // Of one byte nearly always; it makes no bigint.
    return this.#bytes[this.#at]! < 0x80 ? this.#byte() !== 0 : this.varint64() !== 0n
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#pass(8))
  }

  /** A part of the bytes themselves. */
  bytes(): Uint8Array {
    const start = this.#pass(this.varint())
    return this.#bytes.subarray(start, this.#at)
  }

  string(): string {
    const start = this.#pass(this.varint())
    const text = this.#bytes.toString("utf8", start, this.#at)
    // What is no UTF-8 becomes this character, which may also have been sent.
    return text.includes("\ufffd") ? strict.decode(this.#bytes.subarray(start, this.#at)) : text
  }

  /** Passes over a value. */
  skip(wireType: number): void {
    switch (wireType) {
      case 0:
        return void this.varint()
      case 1:
        return void this.#pass(8)
      case 2:
        return void this.#pass(this.varint())
      case 5:
        return void this.#pass(4)
      default:
        // Groups, which no message of today has.
        throw malformed()
    }
  }

  #byte(): number {
    if (this.#at === this.#end) throw malformed()
    return this.#bytes[this.#at++]!
  }

  /** Tells where that which it passes over begins. */
  #pass(length: number): number {
    const start = this.#at
    if (length > this.#end - start) throw malformed()
    this.#at = start + length
    return start
  }
}

// What looks like a byte order mark is text.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const malformed = (): Error => new Error("These bytes are no message.")
