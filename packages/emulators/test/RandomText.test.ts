import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { hex, uuid } from "../src/internal/randomText.ts"

describe("made-up text", () => {
  it.effect("is as long as asked for, of all the digits, and the same for the same seed", () =>
    Effect.gen(function* () {
      const make = Random.withSeed(Effect.replicateEffect(hex(33), 200), "seed")
      const texts = yield* make
      for (const text of texts) assert.match(text, /^[0-9a-f]{33}$/)
      assert.strictEqual(new Set(texts.join("")).size, 16)
      assert.deepStrictEqual(yield* make, texts)
      const [first, second] = [yield* uuid, yield* uuid]
      assert.match(first, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
      assert.notStrictEqual(first, second)
    })
  )
})
