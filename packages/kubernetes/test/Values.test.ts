import { Kubernetes } from "@flyte-databricks/databricks-auth/Kubernetes"
import { Fault, KubernetesApi } from "@flyte-databricks/emulators"
import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Option, Redacted, Schema } from "effect"
import * as Emulated from "./support/emulated.ts"

/** The text that the service gives for a value with these bytes. */
const textOf = Effect.fnUntraced(function* (value: Uint8Array | string) {
  const api = yield* KubernetesApi.KubernetesApi
  const { readSecret } = yield* Kubernetes
  yield* api.setSecret({ namespace: "team-a", name: "s", data: { token: value, client_id: "whole" } })
  const found = Option.getOrThrow(yield* readSecret("team-a", "s"))
  assertEquals(Redacted.value(found["client_id"]!), "whole")
  return Redacted.value(found["token"]!)
})

describe("a Secret's value", () => {
  it.effect("is any text, unchanged", () =>
    Effect.gen(function* () {
      const samples = ["", "\n", "\u0000", "\uFEFFafter a byte order mark", 'tab\tquote"back\\slash', "🔑".repeat(300)]
      for (const text of samples) assertEquals(yield* textOf(text), text)
    }).pipe(Effect.provide(Emulated.layer()))
  )

  it.effect("is the empty string where it is not UTF-8, and the keys beside it stay readable", () =>
    Effect.gen(function* () {
      const latin1 = Uint8Array.of(0x70, 0xe4, 0x73, 0x73)
      const surrogate = Uint8Array.of(0xed, 0xa0, 0x80)
      const overlong = Uint8Array.of(0xc0, 0xaf)
      const cutOff = Uint8Array.of(0x61, 0xf0, 0x9f, 0x94)
      for (const bytes of [latin1, surrogate, overlong, cutOff]) assertEquals(yield* textOf(bytes), "")
    }).pipe(Effect.provide(Emulated.layer()))
  )

  it.effect("is the empty string where it is not base64", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const { readSecret } = yield* Kubernetes
      const data = { token: "aGk=", client_id: "&&&&", client_secret: "aGk" }
      yield* api.faults.add({ action: Fault.status(200, { body: { kind: "Secret", apiVersion: "v1", data } }) })
      const found = Option.getOrThrow(yield* readSecret("team-a", "s"))
      const texts = Object.fromEntries(Object.entries(found).map(([key, value]) => [key, Redacted.value(value)]))
      assertEquals(texts, { token: "hi", client_id: "", client_secret: "" })
    }).pipe(Effect.provide(Emulated.layer()))
  )

  it.effect("is the empty string where it is longer than any credential", () =>
    Effect.gen(function* () {
      const text = "0123456789abcdef".repeat(1024)
      assertEquals(yield* textOf(text), text)
      for (const longer of [`${text}${text}`, text.repeat(64)]) assertEquals(yield* textOf(longer), "")
    }).pipe(Effect.provide(Emulated.layer()))
  )

  it.effect("is read where it is a credential's, however many others are before it", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const { readSecret } = yield* Kubernetes
      const names = Array.from({ length: 20_000 }, (_, n) => `k${String(n).padStart(5, "0")}`)
      yield* api.setSecret({
        namespace: "team-a",
        name: "s",
        data: { ...Object.fromEntries(names.map((name) => [name, "v"])), token: "t" }
      })
      const found = Option.getOrThrow(yield* readSecret("team-a", "s"))
      assertEquals(Object.keys(found), ["token"])
    }).pipe(Effect.provide(Emulated.layer()))
  )

  it.effect.prop(
    "comes back as it was put in",
    { text: Schema.String },
    ({ text }) =>
      Effect.gen(function* () {
        assertEquals(yield* textOf(text), text.toWellFormed())
      }).pipe(Effect.provide(Emulated.layer())),
    { arbitrary: { runs: 25 } }
  )
})
