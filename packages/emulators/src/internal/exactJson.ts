/**
 * JSON whose integers survive: ids beyond 2^53 are read as `bigint` and `bigint`s are written as JSON numbers.
 */

declare global {
  interface JSON {
    rawJSON(text: string): unknown
  }
}

const isInteger = /^-?\d+$/

/** Parses JSON; an integer that a double cannot hold comes back as a `bigint`. Throws `SyntaxError` on bad JSON. */
export const parse = (text: string): unknown =>
  JSON.parse(text, ((_key: string, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source
    return typeof value === "number" && !Number.isSafeInteger(value) && source !== undefined && isInteger.test(source)
      ? BigInt(source)
      : value
  }) as (key: string, value: unknown) => unknown)

/** Writes JSON; `bigint`s become JSON numbers with every digit kept. */
export const stringify = (value: unknown): string =>
  JSON.stringify(value, (_key, member: unknown) =>
    typeof member === "bigint" ? JSON.rawJSON(member.toString()) : member
  )
