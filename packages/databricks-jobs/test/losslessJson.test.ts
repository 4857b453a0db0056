import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { growth } from "@flyte-databricks/emulators/testing/Growth"
import { Effect, Result, Schema } from "effect"
import { integer, parse } from "../src/internal/losslessJson.ts"

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown
const platform = JSON as unknown as { readonly parse: (text: string, reviver: Reviver) => unknown }

/** The platform's own way, which is slow. */
const askingOfEach = (text: string): unknown =>
  platform.parse(text, (_, value, { source }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source ?? "") ? source : value
  )

const read = (text: string) => Result.getOrThrow(parse(text))

describe("JSON with 64-bit integers", () => {
  it.each([
    ["9007199254740991", 9007199254740991],
    ["9007199254740992", "9007199254740992"],
    ["9007199254740993", "9007199254740993"],
    ["-9223372036854775808", "-9223372036854775808"],
    ["1.5", 1.5],
    ["1e30", 1e30],
    ['"9007199254740993"', "9007199254740993"]
  ])("reads %s without a loss", (text, value) => {
    assert.deepStrictEqual(read(`{"a":[${text}]}`), { a: [value] })
  })

  it.each([
    "[0.1234567890123456789]",
    "[1e1000]",
    "[-0]",
    "[123456789012345678901234567890.5]",
    "[1.5e-300,12345678901234567890e3]",
    '["12345678901234567890"]',
    '{"12345678901234567890":1}'
  ])("reads %s as ever", (text) => {
    assert.deepStrictEqual(read(text), JSON.parse(text))
  })

  it.each([
    "[00012345678901234567890]",
    "[+12345678901234567890]",
    "[--12345678901234567890]",
    "[12345678901234567890.]",
    "[12345678901234567890e]",
    "[0x12345678901234567890]",
    "[12345678901234567890a]",
    "[12345678901234567890 12345678901234567890]",
    "{12345678901234567890:1}",
    "12345678901234567890,",
    "-"
  ])("does not make JSON of what is none: %s", (text) => {
    assert.throws(() => JSON.parse(text))
    assertEquals(parse(text), Result.fail("not JSON"))
  })

  it.effect.prop(
    "reads whatever the platform reads, as one that asks it of every number would",
    { value: Schema.Json, digits: Schema.String.check(Schema.isPattern(/^-?(0|[1-9][0-9]{0,24})$/)) },
    ({ digits, value }) =>
      Effect.sync(() => {
        for (const indent of [0, 2]) {
          const text = JSON.stringify({ value, list: [1, value], large: integer(digits) }, undefined, indent)
          assert.deepStrictEqual(read(text), askingOfEach(text))
        }
      })
  )

  it("writes an integer of any size as a number", () => {
    assert.strictEqual(JSON.stringify({ run_id: integer("9007199254740993") }), '{"run_id":9007199254740993}')
  })
  it("takes __proto__ for a key", () => {
    const value = read('{"__proto__":{"run_id":1}}') as { readonly run_id?: number }
    assert.isUndefined(value.run_id)
    assert.deepStrictEqual(Object.keys(value), ["__proto__"])
  })
  it.each(["", "<html>", '{"token":"dapi', "[".repeat(100)])("says no more than that %.20s is not JSON", (text) => {
    assertEquals(parse(text), Result.fail("not JSON"))
  })
})

describe("JSON that would become more than is wanted is not read", () => {
  const list = (items: number, item: string) => `[${Array.from({ length: items }, () => item).join(",")}]`

  it.each([
    ["a million objects", list(1_000_000, "{}"), "more than 100000 values"],
    ["a million lists", list(1_000_000, "[]"), "more than 100000 values"],
    ["a million numbers", list(1_000_000, "1"), "more than 100000 values"],
    [
      "a million keys",
      `{${Array.from({ length: 1_000_000 }, (_, n) => `"${n}":1`).join(",")}}`,
      "more than 100000 values"
    ],
    [
      "a hundred and one lists in each other",
      `${"[".repeat(101)}${"]".repeat(101)}`,
      "nested more than 100 levels deep"
    ],
    ["a million lists in each other", "[".repeat(1_000_000), "nested more than 100 levels deep"],
    ["objects in each other", '{"a":'.repeat(200), "nested more than 100 levels deep"]
  ] as const)("%s", (_, text, why) => {
    assertEquals(parse(text), Result.fail(why))
  })

  it.each([
    ["ninety thousand numbers", list(90_000, "1")],
    ["a hundred lists in each other", `${"[".repeat(100)}${"]".repeat(100)}`],
    ["a text of what would be too much outside of it", JSON.stringify(list(1_000_000, "[]"))],
    ["a text with quotes and backslashes", JSON.stringify(`${'\\"[{,'.repeat(200_000)}\\`)],
    ["a text that ends in backslashes", JSON.stringify("\\".repeat(101))]
  ])("but %s is", (_, text) => {
    assert.deepStrictEqual(read(text), JSON.parse(text))
  })

  it.each([
    ["backslashes", (size: number) => `"${"\\".repeat(size)}`],
    ["quotes", (size: number) => '"'.repeat(size)],
    ["escaped quotes", (size: number) => `"${'\\"'.repeat(size)}`],
    ["text", (size: number) => `"${"x".repeat(size)}"`],
    ["digits", (size: number) => "1".repeat(size)],
    ["spaces", (size: number) => " ".repeat(size)]
  ] as const)("in time in proportion to it: %s", (_, make) => {
    assert.isBelow(growth(make, parse), 64)
  })
})
