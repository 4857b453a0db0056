import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Result } from "effect"
import { integer, parse } from "../src/internal/losslessJson.ts"

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

  it("writes an integer of any size as a number", () => {
    assert.strictEqual(JSON.stringify({ run_id: integer("9007199254740993") }), '{"run_id":9007199254740993}')
  })
  it("takes __proto__ for a key", () => {
    const value = read('{"__proto__":{"run_id":1}}') as { readonly run_id?: number }
    assert.isUndefined(value.run_id)
    assert.deepStrictEqual(Object.keys(value), ["__proto__"])
  })
  it.each(["", "<html>", '{"token":"dapi', "[".repeat(10_000)])("says no more than that %.20s is not JSON", (text) => {
    assertEquals(parse(text), Result.fail(undefined))
  })
})
