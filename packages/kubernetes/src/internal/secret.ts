/**
 * From a Secret as the API server sends it to what the core knows: text, redacted.
 */
import type { SecretData } from "@flyte-databricks/databricks-auth/Kubernetes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

// Not every Secret holds text: a keystore beside a token must not make the token unreadable.
const Text = Schema.Uint8ArrayFromBase64.pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.transform((bytes: Uint8Array) => {
      try {
        return strictDecoder.decode(bytes)
      } catch {
        return ""
      }
    }),
    encode: SchemaGetter.transform((text: string) => new TextEncoder().encode(text))
  }),
  Schema.catchDecoding(() => Effect.succeedSome(""))
)

const Secret = Schema.Struct({
  // What a proxy answers, or a list of Secrets, is JSON too.
  kind: Schema.Literal("Secret"),
  data: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Text)))
})

const decode = Schema.decodeUnknownOption(Secret)

/** The Secret's data; none where the value is not a Secret. */
export const decodeSecret = (value: unknown): Option.Option<SecretData> =>
  Option.map(decode(value), ({ data }) => Record.map(data ?? {}, (text, key) => Redacted.make(text, { label: key })))
