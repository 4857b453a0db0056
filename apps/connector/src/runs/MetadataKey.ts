/**
 * A key that this connector's replicas alone have. With it, what Flyte keeps of a run is signed, so that nobody else can
 * write it, and the token that makes a submit idempotent cannot be guessed. Without one, which is the default, metadata is
 * what Flyte's own connectors write and read.
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createHmac, hash } from "node:crypto"
import { ConnectorError, MetadataRefused } from "../call/ConnectorError.ts"
import * as Settings from "../Settings.ts"
import { KeyFileInvalid, type Keys, read } from "./KeyFile.ts"
import * as SignedMetadata from "./SignedMetadata.ts"

/**
 * Signs and opens what Flyte keeps of runs, and makes digests.
 */
export class MetadataKey extends Context.Service<
  MetadataKey,
  {
    readonly sign: (metadata: Uint8Array) => Effect.Effect<Uint8Array>
    /** The metadata that was signed, to the letter; where it need not be signed, the metadata itself. */
    readonly open: (resourceMeta: Uint8Array) => Effect.Effect<Uint8Array, ConnectorError>
    /** A digest of the text, in 64 characters; keyed where there is a key. */
    readonly digest: (text: string) => Effect.Effect<string>
  }
>()("@flyte-databricks/connector/runs/MetadataKey") {}

/** No key: metadata is what it is. */
export const layerNone: Layer.Layer<MetadataKey> = Layer.succeed(MetadataKey, {
  sign: Effect.succeed,
  open: (resourceMeta) =>
    Option.isSome(SignedMetadata.read(resourceMeta))
      ? refuse(`it is signed, and this connector has no key: set ${Settings.metadataKeyFileName} as its writer has it`)
      : Effect.succeed(resourceMeta),
  digest: (text) => Effect.sync(() => sha256(text))
})

/**
 * How long the keys that were read count as current: a mounted Secret changes in place.
 */
export const KeyTimeToLive = Context.Reference<Duration.Input>("@flyte-databricks/connector/runs/KeyTimeToLive", {
  defaultValue: () => "10 seconds"
})

/** The keys of a file. The first signs, all of them open. */
export const layer = (
  file: string,
  signatures: Settings.Signatures = "require"
): Layer.Layer<MetadataKey, KeyFileInvalid, FileSystem.FileSystem> =>
  Layer.effect(
    MetadataKey,
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const keys = yield* current(Effect.provideService(read(file), FileSystem.FileSystem, files))
      const digestKey = makeDigestKey()
      return MetadataKey.of({
        sign: (metadata) =>
          signatures === "read"
            ? Effect.succeed(metadata)
            : Effect.map(keys, ([key]) => SignedMetadata.sign(metadata, key)),
        open: Effect.fnUntraced(function* (resourceMeta) {
          const signed = SignedMetadata.read(resourceMeta)
          if (Option.isNone(signed)) {
            return signatures === "require"
              ? yield* refuse("it is not signed, and this connector takes none that is not")
              : resourceMeta
          }
          return SignedMetadata.isBy(signed.value, yield* keys)
            ? new TextEncoder().encode(signed.value.metadata)
            : yield* refuse("its signature is of none of this connector's keys")
        }),
        digest: (text) => Effect.map(keys, (keys) => keyedDigest(digestKey(text, keys), text))
      })
    })
  )

/** The key of the environment, if there is one. */
export const layerConfig: Layer.Layer<MetadataKey, KeyFileInvalid | Config.ConfigError, FileSystem.FileSystem> =
  Layer.unwrap(
    Effect.gen(function* () {
      const file = yield* Settings.metadataKeyFile
      if (Option.isSome(file)) return layer(file.value, yield* Settings.metadataSignatures)
      // Who asks for signatures is not to believe that there are any.
      if (Option.isNone(yield* Settings.metadataSignaturesWritten)) return layerNone
      return yield* new KeyFileInvalid({
        problem: `is not set, and ${Settings.metadataSignaturesName} means nothing without it`
      })
    })
  )

// A file that is broken while it is replaced takes no key away.
const current = Effect.fnUntraced(function* (read: Effect.Effect<Keys, KeyFileInvalid>) {
  let last = yield* read
  let complained = ""
  const look = read.pipe(
    Effect.flatMap((keys) => {
      const isSame = keys.length === last.length && keys.every((key, index) => isEqual(key, last[index]))
      complained = ""
      last = keys
      return isSame ? Effect.void : Effect.logInfo(`The metadata keys were read anew: ${keys.length} of them`)
    }),
    Effect.catch(({ message }) => {
      if (message === complained) return Effect.void
      complained = message
      return Effect.logWarning(`${message} The keys of before go on being used.`)
    }),
    Effect.map(() => last),
    // Others wait for what one caller began.
    Effect.uninterruptible
  )
  return yield* Effect.cachedWithTTL(look, yield* KeyTimeToLive)
})

const isEqual = (one: Redacted.Redacted<string>, other: Redacted.Redacted<string> | undefined): boolean =>
  other !== undefined && Redacted.value(one) === Redacted.value(other)

const rememberedDigests = 10_000

// What was digested with a key is digested with it again for as long as it is among the keys: an attempt that is created
// again after they changed places has the token that it had.
const makeDigestKey = () => {
  const used = new Map<string, Redacted.Redacted<string>>()
  return (text: string, keys: Keys): Redacted.Redacted<string> => {
    const id = sha256(text)
    const key = keys.find((key) => isEqual(key, used.get(id))) ?? keys[0]
    used.delete(id)
    used.set(id, key)
    for (const oldest of used.keys()) {
      if (used.size <= rememberedDigests) break
      used.delete(oldest)
    }
    return key
  }
}

const sha256 = (text: string): string => hash("sha256", text)

// What is signed begins otherwise, so that no signature is ever a digest.
const keyedDigest = (key: Redacted.Redacted<string>, text: string): string =>
  createHmac("sha256", Redacted.value(key)).update(`digest\n${text}`).digest("hex")

const refuse = (problem: string) => Effect.fail(new ConnectorError({ reason: new MetadataRefused({ problem }) }))
