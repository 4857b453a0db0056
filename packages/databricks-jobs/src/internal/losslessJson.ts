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

/**
 * Reads JSON; an integer that a number cannot hold comes as its digits in a string. The parser's own error quotes the
 * text, so a failure says nothing.
 */
export const parse = (text: string): Result.Result<unknown, void> =>
  Result.try({
    try: () =>
      platform.parse(text, (_key, value, { source }) =>
        typeof value === "number" && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source)
          ? source
          : value
      ),
    catch: () => undefined
  })

/** Digits as the number they are, for `JSON.stringify`. */
export const integer = (digits: string): unknown => platform.rawJSON(digits)
