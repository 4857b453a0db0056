/**
 * The file of keys by which job metadata is signed: a key a line.
 */
import * as LiveSecrets from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { shown } from "@flyte-databricks/databricks-auth/request/Variable"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import * as Settings from "../Settings.ts"

/** At least one key: the first signs, all of them verify. */
export type Keys = readonly [Redacted.Redacted<string>, ...ReadonlyArray<Redacted.Redacted<string>>]

/** The keys cannot be used: found when the connector starts. It says nothing of what is in the file. */
export class KeyFileInvalid extends Data.TaggedError("KeyFileInvalid")<{ readonly problem: string }> {
  override get message() {
    return (
      `${Settings.metadataKeyFileName} ${this.problem}. Expected the path of a file with a key a line, each of ` +
      `${leastBytes} bytes or more, e.g. of \`openssl rand -hex 32\`.`
    )
  }
}

// As long as what HMAC-SHA-256 gives (RFC 2104).
const leastBytes = 32

const maxFileBytes = 64 * 1024

/** Reads the keys of a file. */
export const read = Effect.fnUntraced(function* (
  file: string
): Effect.fn.Return<Keys, KeyFileInvalid, FileSystem.FileSystem> {
  const files = yield* FileSystem.FileSystem
  // Somebody may have written a key in its place.
  const named = /^\.{0,2}\//.test(file) ? shown(file, 300) : "what is no path, and not shown"
  const problem = (found: string) => new KeyFileInvalid({ problem: `names ${named}, ${found}` })
  const readable = Effect.mapError(({ reason }: { readonly reason: { readonly _tag: string } }) =>
    problem(`which cannot be read (${reason._tag})`)
  )
  const { size } = yield* readable(files.stat(file))
  if (size > maxFileBytes) return yield* problem(`which has ${size} bytes`)
  const lines = (yield* readable(files.readFileString(file))).split("\n").flatMap((line) => line.trim() || [])
  const [first, ...others] = lines.map((line) => LiveSecrets.add(Redacted.make(line, { label: "metadata key" })))
  if (first === undefined) return yield* problem("which holds no key")
  const short = lines.findIndex((line) => Buffer.byteLength(line) < leastBytes)
  if (short >= 0) return yield* problem(`whose key number ${short + 1} has less than ${leastBytes} bytes`)
  return [first, ...others]
})
