/**
 * JSON whose integers may pass 2^53, which `JSON.parse` alone would round to a neighbour. TypeScript's library does not
 * have these parts of ECMAScript 2026 yet.
 */
import * as Result from "effect/Result"

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

const platform = JSON as unknown as {
  readonly parse: (text: string, reviver: Reviver) => unknown
  readonly rawJSON: (text: string) => unknown
}

// The description of a run with a hundred tasks has some 15,000 values, ten levels deep. To read one makes an object, so
// that 16 MB of "[]," would fill the memory.
const maxValues = 100_000
const maxDepth = 100

/** Why a text was not read. */
export type Unread = "not JSON" | `more than ${number} values` | `nested more than ${number} levels deep`

/**
 * Reads JSON; an integer that a number cannot hold comes as its digits in a string. The parser's own error quotes the
 * text, so a failure does not.
 */
export const parse = (text: string): Result.Result<unknown, Unread> => {
  const excess = excessOf(text)
  if (excess !== undefined) return Result.fail(excess)
  return Result.try({
    try: () =>
      platform.parse(text, (_key, value, { source }) =>
        typeof value === "number" && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source)
          ? source
          : value
      ),
    catch: () => "not JSON"
  })
}

// Counted before anything is made of the text: every list, object and comma is a value, more or less.
const excessOf = (text: string): Unread | undefined => {
  let values = 0
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quote:
        at = endOfString(text, at)
        break
      case openBracket:
      case openBrace:
        values += 1
        if (++depth > maxDepth) return `nested more than ${maxDepth} levels deep`
        break
      case closeBracket:
      case closeBrace:
        depth -= 1
        break
      case comma:
        values += 1
        break
    }
    if (values > maxValues) return `more than ${maxValues} values`
  }
  return undefined
}

const [quote, backslash, comma, openBracket, closeBracket, openBrace, closeBrace] = [34, 92, 44, 91, 93, 123, 125]

// The quote that an even number of backslashes stands before.
const endOfString = (text: string, start: number): number => {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let before = at - 1
    while (text.charCodeAt(before) === backslash) before--
    if ((at - before) % 2 === 1) return at
  }
  return text.length
}

/** Digits as the number they are, for `JSON.stringify`. */
export const integer = (digits: string): unknown => platform.rawJSON(digits)
