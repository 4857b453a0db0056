/**
 * Job metadata with its signature: JSON of two keys, the metadata as a text and an HMAC-SHA-256 (RFC 2104) of that text.
 * What is verified is to the letter what is read afterwards, so nothing of it is left out, and no two texts are one.
 */
import { JobMetadata } from "@flyte-databricks/databricks-jobs"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { createHmac, timingSafeEqual } from "node:crypto"

const Signed = Schema.Struct({ metadata: Schema.String, signature: Schema.String })
export type Signed = typeof Signed.Type

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Signed))
const encode = Schema.encodeSync(Schema.fromJsonString(Signed))

// JSON writes a text with up to two characters for one; nobody is made to read megabytes that are not signed.
const maxBytes = 2 * JobMetadata.maxBytes + 1000

// As `sign` begins. What begins otherwise is not read at all: most metadata is not signed, and is read with every poll.
const beginning = Buffer.from('{"metadata":')

/** What was signed, and by which signature; none where the bytes are anything else. */
export const read = (resourceMeta: Uint8Array): Option.Option<Signed> =>
  resourceMeta.length <= maxBytes && beginning.equals(resourceMeta.subarray(0, beginning.length))
    ? decode(new TextDecoder().decode(resourceMeta))
    : Option.none()

/** Signs metadata. */
export const sign = (metadata: Uint8Array, key: Redacted.Redacted<string>): Uint8Array => {
  const text = new TextDecoder().decode(metadata)
  return new TextEncoder().encode(encode({ metadata: text, signature: hmac(key, text).toString("hex") }))
}

/** Whether one of these keys signed it. How long that takes says nothing of where two signatures differ. */
export const isBy = ({ metadata, signature }: Signed, keys: ReadonlyArray<Redacted.Redacted<string>>): boolean => {
  const given = Buffer.from(/^[0-9a-f]{64}$/.test(signature) ? signature : "", "hex")
  return keys.some((key) => {
    const own = hmac(key, metadata)
    return own.length === given.length && timingSafeEqual(own, given)
  })
}

const hmac = (key: Redacted.Redacted<string>, text: string): Buffer =>
  createHmac("sha256", Redacted.value(key)).update(`job metadata\n${text}`).digest()
