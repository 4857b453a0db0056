/**
 * From a Secret as the API server sends it to what the core knows: text, redacted.
 */
import type { SecretData } from "@flyte-databricks/databricks-auth/Kubernetes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
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
  data: Schema.optional(Schema.NullOr(Schema.Unknown))
})

const decode = Schema.decodeUnknownOption(Secret)

// A Secret may have 1 MiB in 65,000 keys, and what is read here is kept. Credentials are few and short.
const maxKeys = 100
const maxLength = 16 * 1024
const maxBase64 = Math.ceil(maxLength / 3) * 4

const decodeData = Schema.decodeUnknownOption(Schema.Record(Schema.String, Text))

const bounded = (data: object): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(data)
      .slice(0, maxKeys)
      .map(([key, value]) => [key, Predicate.isString(value) && value.length > maxBase64 ? "" : value])
  )

/**
 * The Secret's data; none where the value is not a Secret. Of more than 100 keys the first are taken, in the order of the
 * API server, which is the alphabet's; a value of more than 16 KB counts as one that is no text.
 */
export const decodeSecret = (value: unknown): Option.Option<SecretData> =>
  Option.flatMap(decode(value), ({ data }) =>
    Option.map(decodeData(Predicate.isObject(data) ? bounded(data) : (data ?? {})), (texts) =>
      Record.map(texts, (text, key) => Redacted.make(text, { label: key }))
    )
  )
