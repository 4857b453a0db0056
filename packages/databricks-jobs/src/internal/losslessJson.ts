/**
 * JSON whose integers may pass 2^53, which `JSON.parse` alone would round to a neighbour, and which may be more than the
 * memory is for. It is looked through once before it is read: to have the parser itself tell of every number costs ten
 * times as much, and what it made of a million lists would be there already.
 */
import * as Result from "effect/Result"

// TypeScript's library does not have this part of ECMAScript 2026 yet.
const platform = JSON as unknown as { readonly rawJSON: (text: string) => unknown }

// The description of a run with a hundred tasks has some 15,000 values, ten levels deep.
const maxValues = 100_000
const maxDepth = 100

/** Why a text was not read. */
export type Unread = "not JSON" | `more than ${number} values` | `nested more than ${number} levels deep`

/**
 * Reads JSON; an integer that a number cannot hold comes as its digits in a string. The parser's own error quotes the
 * text, so a failure does not.
 */
export const parse = (text: string): Result.Result<unknown, Unread> =>
  Result.flatMap(lookThrough(text), (lossless) =>
    Result.try({ try: () => JSON.parse(lossless) as unknown, catch: () => "not JSON" as const })
  )

const [quote, backslash, comma, minus, zero, nine] = [34, 92, 44, 45, 48, 57]
const [openBracket, closeBracket, openBrace, closeBrace] = [91, 93, 123, 125]

/** The text with quotes around the integers that need them; not where there is more in it than is wanted. */
const lookThrough = (text: string): Result.Result<string, Unread> => {
  let values = 0
  let depth = 0
  let quoted = ""
  let done = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) at = endOfString(text, at)
    else if (code === comma) values += 1
    else if (code === openBracket || code === openBrace) {
      values += 1
      depth += 1
      if (depth > maxDepth) return Result.fail(`nested more than ${maxDepth} levels deep`)
    } else if (code === closeBracket || code === closeBrace) depth -= 1
    else if (code === minus || (code >= zero && code <= nine)) {
      const end = endOfNumber(text, at)
      // With quotes, digits in the place of a key would become one.
      if (end - at > 15 && isLargeInteger(text.slice(at, end)) && !isKey(text, end)) {
        quoted += `${text.slice(done, at)}"${text.slice(at, end)}"`
        done = end
      }
      at = end - 1
    }
    // Every list, object and comma is a value, more or less.
    if (values > maxValues) return Result.fail(`more than ${maxValues} values`)
  }
  return Result.succeed(done === 0 ? text : quoted + text.slice(done))
}

const isLargeInteger = (number: string): boolean => /^-?[1-9]\d*$/.test(number) && !Number.isSafeInteger(Number(number))

/** The quote that an even number of backslashes stands before. */
const endOfString = (text: string, start: number): number => {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let before = at - 1
    while (text.charCodeAt(before) === backslash) before--
    if ((at - before) % 2 === 1) return at
  }
  return text.length
}

/** Behind the sign, the digits, the point and the exponent. */
const endOfNumber = (text: string, start: number): number => {
  numbers.lastIndex = start
  return numbers.test(text) ? numbers.lastIndex : start + 1
}

const isKey = (text: string, end: number): boolean => {
  colon.lastIndex = end
  return colon.test(text)
}

const colon = /\s*:/y

const numbers = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/** Digits as the number they are, for `JSON.stringify`. */
export const integer = (digits: string): unknown => platform.rawJSON(digits)
