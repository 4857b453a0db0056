/** Protocol buffers by hand, for messages that no library writes. */

/** A length-delimited field. */
export const field = (number: number, content: Uint8Array): Buffer => {
  const length: Array<number> = []
  for (let rest = content.length; ; rest >>>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest)
    if (rest <= 0x7f) break
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), content])
}
