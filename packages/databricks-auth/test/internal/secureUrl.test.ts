import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { requireSecure } from "../../src/internal/secureUrl.ts"

describe("where a secret may be sent", () => {
  it.effect.each([
    "https://idp.example.com/token?tenant=1",
    "http://localhost:8080/token",
    "http://LOCALHOST/token",
    "http://127.0.0.1/token",
    "http://[::1]:1/token"
  ])("is %s", (address) => requireSecure("THE_SETTING", address))

  it.effect.each([
    "no URL",
    "http://idp.example.com/token",
    "ftp://localhost/token",
    "https://user@idp.example.com/token",
    "https://:word@idp.example.com/token",
    "https://idp.example.com/token#part"
  ])("is not %s", (address) =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(requireSecure("THE_SETTING", address))
      assert.strictEqual(
        message,
        `THE_SETTING is "${address}", expected an https URL (http for loopback hosts alone), without user and fragment.`
      )
    })
  )
})
