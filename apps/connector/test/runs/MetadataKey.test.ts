import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, FileSystem, Layer, PlatformError, Ref } from "effect"
import { TestClock } from "effect/testing"
import * as MetadataKey from "../../src/runs/MetadataKey.ts"
import type * as Settings from "../../src/Settings.ts"

const one = "first-key-of-at-least-32-characters"
const two = "second-key-of-at-least-32-characters"
const path = "/etc/keys/metadata"

/** A connector whose key file holds this, until it is written anew. */
const makeDisk = Effect.fnUntraced(function* (content: string | undefined) {
  const file = yield* Ref.make(content)
  const found = (pathOrDescriptor: string) =>
    Effect.flatMap(Ref.get(file), (text) =>
      text === undefined || pathOrDescriptor !== path
        ? Effect.fail(
            PlatformError.systemError({ _tag: "NotFound", module: "FileSystem", method: "read", pathOrDescriptor })
          )
        : Effect.succeed(text)
    )
  const layer = FileSystem.layerNoop({
    stat: (path) =>
      Effect.map(found(path), ({ length }) => ({ type: "File", size: BigInt(length) }) as FileSystem.File.Info),
    readFileString: found
  })
  return { write: (text: string | undefined) => Ref.set(file, text), layer }
})
const on = <A, E>(
  content: string,
  body: (key: MetadataKey.MetadataKey["Service"]) => Effect.Effect<A, E>,
  signatures?: Settings.Signatures
) =>
  Effect.gen(function* () {
    const { layer } = yield* makeDisk(content)
    return yield* MetadataKey.MetadataKey.use(body).pipe(
      Effect.provide(Layer.provide(MetadataKey.layer(path, signatures), layer))
    )
  })

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (resourceMeta: Uint8Array) => new TextDecoder().decode(resourceMeta)
const metadata = bytes('{"databricks_instance":"dbc-a1b2.cloud.databricks.com","run_id":"1"}')

describe("with a metadata key", () => {
  it.effect("what was signed opens to the letter, on every connector that has the key", () =>
    Effect.gen(function* () {
      const signed = yield* on(one, ({ sign }) => sign(metadata))
      assert.deepStrictEqual(yield* on(`${two}\n${one}\n`, ({ open }) => open(signed)), metadata)
    })
  )

  it.effect("nothing opens that is not signed, by another key, or changed anywhere", () =>
    on(one, ({ sign, open }) =>
      Effect.gen(function* () {
        const signed = text(yield* sign(metadata))
        assert.include((yield* Effect.flip(open(metadata))).message, "it is not signed")
        const foreign = yield* on(two, (other) => other.sign(metadata))
        assert.include((yield* Effect.flip(open(foreign))).message, "of none of this connector's keys")
        // A signature in other letters, or with more behind it, is another one.
        for (const [of, made] of [
          [/"([0-9a-f]{64})"/, (hex: string) => `"${hex.toUpperCase()}"`],
          [/"([0-9a-f]{64})"/, (hex: string) => `"${hex}00"`]
        ] as const) {
          const other = signed.replace(of, (_, hex: string) => made(hex))
          assert.isTrue(Exit.isFailure(yield* Effect.exit(open(bytes(other)))), other)
        }
        for (let at = 0; at < signed.length; at++) {
          const changed = `${signed.slice(0, at)}${signed[at] === "0" ? "1" : "0"}${signed.slice(at + 1)}`
          assert.isTrue(Exit.isFailure(yield* Effect.exit(open(bytes(changed)))), changed)
        }
      })
    )
  )

  it.effect("megabytes that are not signed are not read", () =>
    on(one, ({ open }) =>
      Effect.gen(function* () {
        const large = bytes(`{"metadata":"${"x".repeat(4_000_000)}","signature":""}`)
        assert.include((yield* Effect.flip(open(large))).message, "it is not signed")
      })
    )
  )

  it.effect("a key that is put first signs, once what was read is no longer current; the old one goes on opening", () =>
    Effect.gen(function* () {
      const disk = yield* makeDisk(one)
      yield* Effect.gen(function* () {
        const { sign, open } = yield* MetadataKey.MetadataKey
        const before = yield* sign(metadata)
        yield* disk.write(`${two}\n${one}`)
        yield* TestClock.adjust("11 seconds")
        const after = yield* sign(metadata)
        assert.notStrictEqual(text(after), text(before))
        for (const signed of [before, after]) assert.deepStrictEqual(yield* open(signed), metadata)
        yield* disk.write(two)
        yield* TestClock.adjust("11 seconds")
        assert.isTrue(Exit.isFailure(yield* Effect.exit(open(before))))
      }).pipe(Effect.provide(Layer.provide(MetadataKey.layer(path), disk.layer)))
    })
  )

  it.effect("the keys last read go on while the file is being replaced", () =>
    Effect.gen(function* () {
      const disk = yield* makeDisk(one)
      yield* Effect.gen(function* () {
        const { sign, open } = yield* MetadataKey.MetadataKey
        const signed = yield* sign(metadata)
        for (const broken of [undefined, "", "short"]) {
          yield* disk.write(broken)
          yield* TestClock.adjust("11 seconds")
          assert.deepStrictEqual(yield* open(signed), metadata)
        }
      }).pipe(Effect.provide(Layer.provide(MetadataKey.layer(path), disk.layer)))
    })
  )

  it.effect.each([
    ["", "which holds no key"],
    [" \n ", "which holds no key"],
    [`${one}\nshort`, "whose key number 2 has less than 32 bytes"],
    ["k".repeat(31), "whose key number 1 has less than 32 bytes"],
    ["k".repeat(70_000), "which has 70000 bytes"]
  ])("a file of %j keeps it from starting, and shows no key", ([content, problem]) =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(on(content!, () => Effect.void))
      assert.include(message, problem!)
      assert.include(message, "FLYTE_DATABRICKS_METADATA_KEY_FILE")
      assert.notInclude(message, one)
    })
  )

  it.effect("a file that does not exist, or is not named, keeps it from starting where signatures are asked for", () =>
    Effect.gen(function* () {
      const { layer } = yield* makeDisk(undefined)
      const startWith = (env: Record<string, string>) =>
        Effect.flip(Effect.provide(Effect.void, Layer.fresh(MetadataKey.layerConfig))).pipe(
          Effect.provide([layer, ConfigProvider.layer(ConfigProvider.fromEnv({ env }))])
        )
      const missing = yield* startWith({ FLYTE_DATABRICKS_METADATA_KEY_FILE: path })
      assert.include(
        missing.message,
        `FLYTE_DATABRICKS_METADATA_KEY_FILE names ${path}, which cannot be read (NotFound)`
      )
      const unnamed = yield* startWith({ FLYTE_DATABRICKS_METADATA_SIGNATURES: "require" })
      assert.include(unnamed.message, "FLYTE_DATABRICKS_METADATA_KEY_FILE is not set")
    })
  )

  it.effect.each([
    ["read", false, true],
    ["write", true, true],
    ["require", true, false]
  ] as const)("%s: writes signatures %s, takes what has none %s, and nothing that is forged", ([how, writes, takes]) =>
    on(
      one,
      ({ sign, open }) =>
        Effect.gen(function* () {
          assert.strictEqual(text(yield* sign(metadata)) !== text(metadata), writes)
          assert.strictEqual(Exit.isSuccess(yield* Effect.exit(open(metadata))), takes)
          assert.deepStrictEqual(yield* open(yield* on(one, (other) => other.sign(metadata))), metadata)
          const forged = yield* on(two, (other) => other.sign(metadata))
          assert.isTrue(Exit.isFailure(yield* Effect.exit(open(forged))))
        }),
      how
    )
  )

  it.effect("what was digested before the keys changed places is digested alike after, until its key is gone", () =>
    Effect.gen(function* () {
      const disk = yield* makeDisk(`${one}\n${two}`)
      const ofTwo = yield* on(two, ({ digest }) => digest("a"))
      yield* Effect.gen(function* () {
        const { digest } = yield* MetadataKey.MetadataKey
        const before = yield* digest("a")
        yield* disk.write(`${two}\n${one}`)
        yield* TestClock.adjust("11 seconds")
        assert.strictEqual(yield* digest("a"), before)
        assert.strictEqual(yield* digest("b"), yield* on(two, ({ digest }) => digest("b")))
        yield* disk.write(two)
        yield* TestClock.adjust("11 seconds")
        assert.strictEqual(yield* digest("a"), ofTwo)
      }).pipe(Effect.provide(Layer.provide(MetadataKey.layer(path), disk.layer)))
    })
  )

  it.effect("no digest is a signature", () =>
    on(one, ({ sign, digest }) =>
      Effect.gen(function* () {
        const signed = text(yield* sign(metadata))
        for (const part of ["", "job metadata\n"]) {
          assert.notInclude(signed, yield* digest(`${part}${text(metadata)}`))
        }
      })
    )
  )

  it.effect("digests cannot be made without it", () =>
    Effect.gen(function* () {
      const digests = [
        yield* on(one, ({ digest }) => digest("a")),
        yield* on(two, ({ digest }) => digest("a")),
        yield* MetadataKey.MetadataKey.use(({ digest }) => digest("a")).pipe(Effect.provide(MetadataKey.layerNone))
      ]
      assert.lengthOf(new Set(digests), 3)
      for (const digest of digests) assert.match(digest, /^[0-9a-f]{64}$/)
      assert.strictEqual(yield* on(`${one}\n${two}`, ({ digest }) => digest("a")), digests[0])
    })
  )
})

describe("without a metadata key", () => {
  it.effect("metadata is what Flyte's own connectors write, and what is signed is refused with the way out", () =>
    Effect.gen(function* () {
      const { sign, open } = yield* MetadataKey.MetadataKey
      assert.deepStrictEqual(yield* sign(metadata), metadata)
      assert.deepStrictEqual(yield* open(metadata), metadata)
      const signed = yield* on(one, (key) => key.sign(metadata))
      assert.include((yield* Effect.flip(open(signed))).message, "set FLYTE_DATABRICKS_METADATA_KEY_FILE")
    }).pipe(Effect.provide(MetadataKey.layerNone))
  )
})
