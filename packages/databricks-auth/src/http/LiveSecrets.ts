/**
 * The secrets that this process holds, so that no text that leaves it has one: whoever was sent a secret may send it back,
 * also to another caller. They are not kept: of each there is its length, a hash, and the hash of its end to look for.
 */
import * as Redacted from "effect/Redacted"
import { spellings, type View } from "./spellings.ts"

/** A secret with fewer bytes is not looked for: it would be found in ordinary words. */
export const leastBytes = 8

// Databricks' tokens and client secrets, and JWTs.
const beginnings = ["dapi", "dose", "eyJ"]
const secretLike = /(dapi|dose)[0-9a-f]{16}[\w-]*|eyJ[\w-]{8}[\w.-]*/g

/**
 * Whether a text looks like a secret, or has one inside: a secret in the wrong place is a common slip.
 */
export const looksLikeSecret = (text: string): boolean => text.search(secretLike) >= 0

interface Known {
  readonly length: number
  readonly hash: number
  readonly second: number
}

// Some four for each of ten thousand identities, and their successors.
const maxEnds = 100_000
// Who makes more secrets that end alike means to be slow.
const maxAlike = 64

// By the hash of their last bytes; those that came last are at the end.
const known = new Map<number, ReadonlyArray<Known>>()
// How many of these hashes share a slot, which spares most look-ups.
const slots = new Uint16Array(1 << 18)
let longest = 0

/**
 * Has every text searched for this secret from now on.
 */
export const add = <Secret extends Redacted.Redacted<string>>(secret: Secret): Secret => {
  const text = Redacted.value(secret)
  for (const part of [text, ...signatures(text)]) keep(Buffer.from(part))
  return secret
}

// What makes a JWT one is its signature. Part by part, as one expression over all three would begin anew at every "eyJ";
// and not too many, as a text may be made of them.
const signatures = (text: string): ReadonlyArray<string> =>
  text
    .split(/[^\w.-]/)
    .flatMap((word) => {
      const parts = word.split(".")
      return parts.filter((_, n) => n >= 2 && /eyJ[\w-]/.test(parts[n - 2]!) && parts[n - 1] !== "")
    })
    .slice(0, 10)

const keep = (bytes: Uint8Array): void => {
  const { length } = bytes
  if (length < leastBytes) return
  const end = hashOf(bytes.subarray(-leastBytes), factor)
  const [hash, second] = [hashOf(bytes, factor), hashOf(bytes, secondFactor)]
  const alike = known.get(end) ?? []
  if (alike.length === 0) slots[slotOf(end)]! += 1
  known.delete(end)
  const others = alike.filter((other) => other.length !== length || other.hash !== hash)
  known.set(end, [...others.slice(1 - maxAlike), { length, hash, second }])
  if (others.length === alike.length) harmless.clear()
  longest = Math.max(longest, length)
  if (known.size <= maxEnds) return
  const oldest = known.keys().next().value!
  known.delete(oldest)
  slots[slotOf(oldest)]! -= 1
}

export interface Options {
  /** Only what begins before is wanted. */
  readonly until?: number
  /** What stands in the place of so many characters. */
  readonly mark?: (length: number) => string
}

/**
 * The text with a mark for each secret, in whatever common spelling. It takes time by the length of the text, however
 * many secrets there are.
 */
export const redact = (text: string, { until = text.length, mark = () => redacted }: Options = {}): string => {
  if (harmless.has(text)) return text.slice(0, until)
  const given = text.slice(0, until + overlap())
  const found = secretsIn(given)
  if (found.length === 0) {
    if (text.length <= maxHarmless) rememberHarmless(text)
    return text.slice(0, until)
  }
  const parts: Array<string> = []
  let at = 0
  for (const { start, end } of found) {
    if (start >= until) break
    parts.push(given.slice(at, start), mark(end - start))
    at = end
  }
  return [...parts, given.slice(at, Math.max(at, until))].join("")
}

// Short texts without a secret: names come again with each call. They are shorter than what is looked at beyond the end,
// so that all of such a text was.
const harmless = new Set<string>()
const maxHarmless = 200
const maxTexts = 1000

const rememberHarmless = (text: string): void => {
  if (harmless.size === maxTexts) harmless.clear()
  // A part of a string keeps the whole of it in memory.
  harmless.add(Buffer.from(text, "utf16le").toString("utf16le"))
}

const redacted = "<redacted>"

/**
 * The part of a text from there to there, with asterisks for secrets, also for one that lies across an end. It is as long
 * as it was, for texts that are given by offsets.
 */
export const maskedPart = (text: string, from: number, to: number): string => {
  const before = Math.max(0, from - overlap())
  const part = text.slice(before, to + overlap())
  return redact(part, { until: to - before, mark: (length) => "*".repeat(length) }).slice(from - before, to - before)
}

interface Found {
  readonly start: number
  readonly end: number
}

// So much of a text is looked at together, and what begins in it to its end.
const portion = 64 * 1024

// No spelling makes more than six characters of a byte ("\u0041").
const overlap = () => 6 * longest + 1024

/** Where the secrets of a text stand, one after the other. */
const secretsIn = (text: string): ReadonlyArray<Found> => {
  const found: Array<Found> = []
  for (let from = 0; from < text.length; from += portion) {
    const part = text.slice(from, from + portion + overlap())
    const tell = (start: number, end: number) => found.push({ start: from + start, end: from + end })
    // To look for the words alone is ten times as fast.
    if (beginnings.some((beginning) => part.includes(beginning))) {
      for (const { 0: like, index } of part.matchAll(secretLike)) tell(index, index + like.length)
    }
    if (known.size > 0) for (const view of spellings(part, leastBytes)) search(view, tell)
  }
  return merged(found.toSorted((one, other) => one.start - other.start))
}

// The same secret is found in several spellings.
const merged = (sorted: ReadonlyArray<Found>): ReadonlyArray<Found> => {
  const apart: Array<Found> = []
  for (const next of sorted) {
    const last = apart.at(-1)
    if (last === undefined || next.start >= last.end) apart.push(next)
    else if (next.end > last.end) apart[apart.length - 1] = { start: last.start, end: next.end }
  }
  return apart
}

const [factor, secondFactor] = [0x01000193, 0x5bd1e995]

const hashOf = (bytes: Uint8Array, by: number): number => {
  let hash = 0
  for (let n = 0; n < bytes.length; n++) hash = (Math.imul(hash, by) + bytes[n]! + 1) | 0
  return hash
}

const slotOf = (hash: number): number => Math.imul(hash, 0x9e3779b1) >>> 14

const powers = (by: number, count: number): Int32Array => {
  const all = new Int32Array(count + 1).fill(1)
  for (let n = 1; n <= count; n++) all[n] = Math.imul(all[n - 1]!, by)
  return all
}

const leaving = powers(factor, leastBytes)[leastBytes]!

/** Tells where a known secret stands, by a hash that moves along (Rabin and Karp). */
const search = (view: View, tell: (start: number, end: number) => void): void => {
  const { bytes } = view
  let sums: ReturnType<typeof prefixes> | undefined
  let hash = 0
  for (let n = 0; n < bytes.length; n++) {
    hash = (Math.imul(hash, factor) + bytes[n]! + 1) | 0
    if (n >= leastBytes) hash = (hash - Math.imul(leaving, bytes[n - leastBytes]! + 1)) | 0
    if (n < leastBytes - 1 || slots[slotOf(hash)] === 0) continue
    for (const secret of known.get(hash) ?? []) {
      const start = n + 1 - secret.length
      if (start < 0) continue
      sums ??= prefixes(view)
      if (sums(start, n + 1, secret)) tell(...view.placeOf(start, n + 1))
    }
  }
}

/** Hashes of all that a text begins with, which give that of any part at once. */
const prefixes = ({ bytes }: View) => {
  const sumsBy = (by: number) => {
    const sums = new Int32Array(bytes.length + 1)
    for (let n = 0; n < bytes.length; n++) sums[n + 1] = (Math.imul(sums[n]!, by) + bytes[n]! + 1) | 0
    const power = powers(by, bytes.length)
    return (start: number, end: number) => (sums[end]! - Math.imul(sums[start]!, power[end - start]!)) | 0
  }
  const [first, second] = [sumsBy(factor), sumsBy(secondFactor)]
  return (start: number, end: number, secret: Known): boolean =>
    first(start, end) === secret.hash && second(start, end) === secret.second
}
