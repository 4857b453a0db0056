/**
 * A key that only this connector's replicas have. With it, what Flyte keeps of a run is signed, and nobody else can
 * write it; and the token that makes a submit idempotent cannot be guessed. Without one, which is the default, metadata is
 * what Flyte's own connectors write and read.
 */
import { JobMetadata, JobsError } from "@flyte-databricks/databricks-jobs"
import * as Cache from "effect/Cache"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { createHash, createHmac, timingSafeEqual } from "node:crypto"
import * as Settings from "../Settings.ts"

type Key = Redacted.Redacted<string>

/**
 * The key file cannot be used: found when the layer is built.
 */
export class KeyFileInvalid extends Data.TaggedError("KeyFileInvalid")<{
  readonly file: string
  readonly problem: string
}> {
  override get message() {
    return (
      `${Settings.metadataKeyFileName} names ${this.file}, ${this.problem}. Expected one key a line, each of ` +
      `${leastKey} characters or more, e.g. of \`openssl rand -hex 32\`: the first signs, all of them are accepted.`
    )
  }
}

const leastKey = 32

/**
 * Signs and opens what Flyte keeps of runs.
 */
export class MetadataKey extends Context.Service<
  MetadataKey,
  {
    readonly sign: (metadata: Uint8Array) => Effect.Effect<Uint8Array>
    /** What was signed; the metadata itself where there is no key. */
    readonly open: (resourceMeta: Uint8Array) => Effect.Effect<Uint8Array, JobsError.JobsError>
    /** A digest of the text, keyed where there is a key. */
    readonly digest: (text: string) => Effect.Effect<string>
  }
>()("@flyte-databricks/connector/MetadataKey") {}

/** No key: metadata is what it is. */
export const layerNone: Layer.Layer<MetadataKey> = Layer.succeed(MetadataKey, {
  sign: Effect.succeed,
  open: (resourceMeta) =>
    Option.isSome(readSigned(resourceMeta))
      ? refuse(`it is signed, and this connector has no key: set ${Settings.metadataKeyFileName} as its writer has it`)
      : Effect.succeed(resourceMeta),
  digest: (text) => Effect.sync(() => createHash("sha256").update(text).digest("hex"))
})

/**
 * How long the keys that were read count as current: a mounted Secret changes in place when a key is rotated.
 */
export const KeyTimeToLive = Context.Reference<Duration.Input>("@flyte-databricks/connector/MetadataKeyTimeToLive", {
  defaultValue: () => "10 seconds"
})

/** The keys of a file. */
export const layer = (file: string): Layer.Layer<MetadataKey, KeyFileInvalid, FileSystem.FileSystem> =>
  Layer.effect(
    MetadataKey,
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const read = fileSystem.readFileString(file).pipe(
        Effect.mapError(({ reason }) => new KeyFileInvalid({ file, problem: `which cannot be read (${reason._tag})` })),
        Effect.flatMap((text) => Effect.fromResult(keysOf(file, text)))
      )
      // A file that is broken while it is replaced does not take the keys away.
      let last = yield* read
      const cache = yield* Cache.make({
        capacity: 1,
        timeToLive: yield* KeyTimeToLive,
        lookup: (_: "keys") =>
          read.pipe(
            Effect.tap((keys) => Effect.sync(() => (last = keys))),
            Effect.catch((error) => Effect.as(Effect.logWarning(error.message), last))
          )
      })
      const keys = Cache.get(cache, "keys")
      return MetadataKey.of({
        sign: (metadata) => Effect.map(keys, ([key]) => toSigned(metadata, key)),
        open: Effect.fnUntraced(function* (resourceMeta) {
          const signed = readSigned(resourceMeta)
          if (Option.isNone(signed)) return yield* refuse("it is not signed, and this connector takes none that is not")
          const { metadata, signature } = signed.value
          return (yield* keys).some((key) => isEqual(hmac(key, metadata), signature))
            ? new TextEncoder().encode(metadata)
            : yield* refuse("its signature is of none of this connector's keys")
        }),
        digest: (text) => Effect.map(keys, ([key]) => hmac(key, text))
      })
    })
  )

/** The key of the environment, if there is one. */
export const layerConfig: Layer.Layer<MetadataKey, KeyFileInvalid | Config.ConfigError, FileSystem.FileSystem> =
  Layer.unwrap(Effect.map(Settings.metadataKeyFile, Option.match({ onNone: () => layerNone, onSome: layer })))

const keysOf = (file: string, text: string): Result.Result<readonly [Key, ...ReadonlyArray<Key>], KeyFileInvalid> => {
  const [first, ...others] = text.split("\n").flatMap((line) => line.trim() || [])
  const problem =
    first === undefined
      ? "which holds no key"
      : [first, ...others].some((key) => key.length < leastKey)
        ? `which holds a key of less than ${leastKey} characters`
        : undefined
  if (first === undefined || problem !== undefined) {
    return Result.fail(new KeyFileInvalid({ file, problem: problem ?? "which holds no key" }))
  }
  const redacted = (key: string): Key => Redacted.make(key, { label: "metadata key" })
  return Result.succeed([redacted(first), ...others.map(redacted)])
}

// The metadata as text inside of text: what is verified is to the letter what is read then.
const Signed = Schema.fromJsonString(Schema.Struct({ metadata: Schema.String, signature: Schema.String }))
const decodeSigned = Schema.decodeUnknownOption(Signed)
const encodeSigned = Schema.encodeSync(Signed)

// Nobody is made to read megabytes to find that they are not signed.
const readSigned = (resourceMeta: Uint8Array) =>
  resourceMeta.length > 2 * JobMetadata.maxBytes ? Option.none() : decodeSigned(text(resourceMeta))

const toSigned = (metadata: Uint8Array, key: Key): Uint8Array => {
  const signed = text(metadata)
  return new TextEncoder().encode(encodeSigned({ metadata: signed, signature: hmac(key, signed) }))
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const hmac = (key: Key, signed: string): string =>
  createHmac("sha256", Redacted.value(key)).update(signed).digest("hex")

const isEqual = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

const refuse = (problem: string) =>
  Effect.fail(new JobsError.JobsError({ reason: new JobsError.JobMetadataInvalid({ problem }) }))
