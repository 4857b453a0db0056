/**
 * A text as what it may be the spelling of: percent-encoded or as a form is, escaped as JSON or HTML do it, in base64 or
 * hexadecimal, and one inside the other as HTTP and JSON nest them. Each byte knows where in the text it stands.
 */

/** What a text says in one way to read it. */
export interface View {
  readonly bytes: Uint8Array
  /** Where in the text stand the bytes from there to there. */
  readonly placeOf: (start: number, end: number) => readonly [start: number, end: number]
}

const code = (character: string): number => character.charCodeAt(0)

/**
 * Every way to read a text; what is packed into letters only where so many bytes may be in them.
 */
export function* spellings(text: string, leastBytes: number): Generator<View> {
  for (const view of unescaped(plain(text))) {
    yield view
    for (const packing of packings) {
      for (const inner of unpacked(view, packing, leastBytes)) {
        yield inner
        // HTTP Basic has the two halves of a pair as a form has them.
        yield* resolved(inner, form)
      }
    }
  }
}

// JSON may be in JSON: a log line has what a server said, who had it from another one.
function* unescaped(text: View, levels = 3): Generator<View> {
  yield text
  for (const escaping of [url, form, html]) yield* resolved(text, escaping)
  if (levels > 0) for (const inner of resolved(text, json)) yield* unescaped(inner, levels - 1)
}

const plain = (text: string): View => {
  const bytes = Buffer.from(text)
  if (bytes.length === text.length) return { bytes, placeOf: (start, end) => [start, end] }
  const at = new Int32Array(bytes.length + 1)
  let byte = 0
  let index = 0
  for (const character of text) {
    const next = byte + Buffer.byteLength(character)
    at.fill(index, byte, next)
    index += character.length
    byte = next
  }
  at[byte] = index
  return { bytes, placeOf: (start, end) => [at[start]!, at[end]!] }
}

/** What an escape stands for, and how long it is. */
interface Escape {
  readonly bytes: ArrayLike<number>
  readonly length: number
}

interface Escaping {
  /** What an escape begins with. */
  readonly marks: ReadonlyArray<number>
  readonly read: (bytes: Uint8Array, at: number) => Escape | undefined
}

/** What a view says once its escapes are resolved; nothing where it has none. */
function* resolved(from: View, { marks, read }: Escaping): Generator<View> {
  const { bytes } = from
  if (!marks.some((mark) => bytes.includes(mark))) return
  const written = new Uint8Array(bytes.length)
  const at = new Int32Array(bytes.length + 1)
  let length = 0
  for (let n = 0; n < bytes.length;) {
    const escape = marks.includes(bytes[n]!) ? read(bytes, n) : undefined
    const stands = escape?.bytes ?? [bytes[n]!]
    for (let byte = 0; byte < stands.length; byte++) {
      written[length] = stands[byte]!
      at[length++] = n
    }
    n += escape?.length ?? 1
  }
  at[length] = bytes.length
  yield { bytes: written.subarray(0, length), placeOf: (start, end) => from.placeOf(at[start]!, at[end]!) }
}

// %41
const url: Escaping = {
  marks: [code("%")],
  read: (bytes, at) => {
    const value = hexadecimal(bytes, at + 1, 2)
    return value < 0 ? undefined : { bytes: [value], length: 3 }
  }
}

// %41, and + for a blank
const form: Escaping = {
  marks: [code("+"), code("%")],
  read: (bytes, at) => (bytes[at] === code("+") ? { bytes: [code(" ")], length: 1 } : url.read(bytes, at))
}

// \n, \", \u0041, and \x41 as JavaScript and Python have it
const json: Escaping = {
  marks: [code("\\")],
  read: (bytes, at) => {
    const letter = String.fromCharCode(bytes[at + 1] ?? 0)
    const digits = letter === "u" ? 4 : letter === "x" ? 2 : 0
    if (digits === 0) return { bytes: [code(controls[letter] ?? letter)], length: 2 }
    const unit = hexadecimal(bytes, at + 2, digits)
    if (unit < 0) return undefined
    const next = bytes[at + 6] === code("\\") ? hexadecimal(bytes, at + 8, 4) : -1
    const isPair = unit >>> 10 === 0x36 && next >>> 10 === 0x37
    return {
      bytes: Buffer.from(isPair ? String.fromCharCode(unit, next) : String.fromCharCode(unit)),
      length: isPair ? 12 : 2 + digits
    }
  }
}

const controls: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" }

// &amp;, &#65; and &#x41;
const html: Escaping = {
  marks: [code("&")],
  read: (bytes, at) => {
    const near = String.fromCharCode(...bytes.subarray(at, at + 10))
    const [whole, name = "", decimal, hex] = /^&(?:([a-z]{2,4})|#(\d{1,6})|#x([0-9a-f]{1,5}));/i.exec(near) ?? []
    if (whole === undefined) return undefined
    const point = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal)
    const character = Number.isNaN(point) ? entities[name.toLowerCase()] : String.fromCodePoint(point)
    return character === undefined ? undefined : { bytes: Buffer.from(character), length: whole.length }
  }
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }

const valuesOf = (alphabet: string, also: Readonly<Record<string, number>>): Int8Array => {
  const values = new Int8Array(256).fill(-1)
  for (const [value, letter] of [...alphabet].entries()) values[code(letter)] = value
  for (const [letter, value] of Object.entries(also)) values[code(letter)] = value
  return values
}

const capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
const base16 = valuesOf("0123456789abcdef", { A: 10, B: 11, C: 12, D: 13, E: 14, F: 15 })
// Both alphabets.
const base64 = valuesOf(`${capitals}${capitals.toLowerCase()}0123456789+/`, { "-": 62, _: 63 })

const hexadecimal = (bytes: Uint8Array, at: number, digits: number): number => {
  let value = 0
  for (let n = at; n < at + digits; n++) {
    const digit = base16[bytes[n] ?? 0]!
    if (digit < 0) return -1
    value = value * 16 + digit
  }
  return value
}

interface Packing {
  readonly values: Int8Array
  /** How many bits a letter has, and after how many letters a byte begins with one again. */
  readonly bits: number
  readonly period: number
}

const packings: ReadonlyArray<Packing> = [
  { values: base64, bits: 6, period: 4 },
  { values: base16, bits: 4, period: 2 }
]

/**
 * What runs of letters hold. Where in a run the packing begins is not known: each beginning is a view. A run stands in
 * the text as a whole, with its padding.
 */
function* unpacked(from: View, { values, bits, period }: Packing, leastBytes: number): Generator<View> {
  const { bytes } = from
  const runs: Array<readonly [start: number, end: number]> = []
  let most = 0
  for (let start = 0, n = 0; n <= bytes.length; n++) {
    if (n < bytes.length && values[bytes[n]!]! >= 0) continue
    if ((n - start) * bits >= leastBytes * 8) {
      runs.push([start, n])
      // And a byte that is none of a secret's, as no secret goes on from one run to the next.
      most += n - start + 1
    }
    start = n + 1
  }
  for (let beginning = 0; beginning < (runs.length === 0 ? 0 : period); beginning++) {
    const written = new Uint8Array(most)
    const runOf = new Int32Array(most)
    let length = 0
    for (const [run, [start, end]] of runs.entries()) {
      let held = 0
      let have = 0
      for (let n = start + beginning; n < end; n++) {
        held = ((held << bits) | values[bytes[n]!]!) & 0xffff
        have += bits
        if (have < 8) continue
        have -= 8
        written[length] = held >>> have
        runOf[length++] = run
      }
      runOf[length++] = run
    }
    yield {
      bytes: written.subarray(0, length),
      placeOf: (byte) => {
        const [start, end] = runs[runOf[byte]!]!
        return from.placeOf(start, afterPadding(bytes, end))
      }
    }
  }
}

const afterPadding = (bytes: Uint8Array, end: number): number => {
  const isPadding = (n: number) => bytes[n] === code("=")
  return end + Number(isPadding(end)) + Number(isPadding(end) && isPadding(end + 1))
}
