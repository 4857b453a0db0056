import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** Hexadecimal text from Effect's `Random`, so that a seeded test gets the same secrets each time. */
export const hex = Effect.fnUntraced(function* (length: number) {
  let text = ""
  while (text.length < length) text += (yield* Random.nextIntBetween(0, 15)).toString(16)
  return text
})

/** A version 4 UUID from Effect's `Random`. */
export const uuid = Effect.map(
  hex(30),
  (h) => `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(12, 15)}-a${h.slice(15, 18)}-${h.slice(18, 30)}`
)
