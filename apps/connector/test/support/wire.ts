/** Protocol buffers by hand, for messages that no library writes. */

/** A length-delimited field. */
export const field = (number: number, content: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(content.length)]), content])

const varint = (value: number): ReadonlyArray<number> =>
  value > 0x7f ? [(value & 0x7f) | 0x80, ...varint(value >>> 7)] : [value]
