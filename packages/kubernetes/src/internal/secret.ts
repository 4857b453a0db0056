/**
 * From a Secret as the API server sends it to what the core knows: text, redacted.
 */
import { credentialKeys, type SecretData } from "@flyte-databricks/databricks-auth/Kubernetes"
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

// Values are kept, and credentials are short.
const maxLength = 16 * 1024
const maxBase64 = Math.ceil(maxLength / 3) * 4

const decodeData = Schema.decodeUnknownOption(Schema.Record(Schema.String, Text))

const credentials = (data: object): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    credentialKeys.flatMap((key) => {
      if (!Object.hasOwn(data, key)) return []
      const value: unknown = Reflect.get(data, key)
      return [[key, Predicate.isString(value) && value.length > maxBase64 ? "" : value] as const]
    })
  )

/**
 * The credentials in a Secret's data; none where the value is not a Secret. A value of more than 16 KB counts as one that
 * is no text.
 */
export const decodeSecret = (value: unknown): Option.Option<SecretData> =>
  Option.flatMap(decode(value), ({ data }) =>
    Option.map(decodeData(Predicate.isObject(data) ? credentials(data) : (data ?? {})), (texts) =>
      Record.map(texts, (text, key) => Redacted.make(text, { label: key }))
    )
  )
