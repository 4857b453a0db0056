import { ConnectorSecrets } from "@flyte-databricks/databricks-auth"
import { Effect, FileSystem, Layer, Option, Path, PlatformError, Redacted, Ref } from "effect"
import { environment } from "./environment.ts"

/** A file's content, or why it cannot be read. */
export type File = string | PlatformError.SystemErrorTag

/** A file system in memory, of files that may change while the connector runs. */
export const makeFiles = (initial: Record<string, File> = {}) =>
  Effect.gen(function* () {
    const files = yield* Ref.make(initial)
    const reads = yield* Ref.make<ReadonlyArray<string>>([])
    const readFileString = Effect.fnUntraced(function* (path: string) {
      yield* Ref.update(reads, (all) => [...all, path])
      const file = (yield* Ref.get(files))[path]
      const failure = file === undefined ? "NotFound" : failures.find((tag) => tag === file)
      if (failure === undefined) return file!
      return yield* PlatformError.systemError({
        _tag: failure,
        module: "FileSystem",
        method: "readFileString",
        pathOrDescriptor: path
      })
    })
    return {
      layer: Layer.merge(FileSystem.layerNoop({ readFileString }), Path.layer),
      write: (path: string, file: File) => Ref.update(files, (all) => ({ ...all, [path]: file })),
      reads: Ref.get(reads)
    }
  })

const failures = ["NotFound", "PermissionDenied", "BadResource", "Unknown", "Busy"] as const

/** Looks up secrets of a connector with these variables and files. */
export const lookUp = (
  name: string,
  { env = {}, files = {} }: { readonly env?: Record<string, string>; readonly files?: Record<string, File> }
) =>
  Effect.gen(function* () {
    const { layer } = yield* makeFiles(files)
    return yield* ConnectorSecrets.ConnectorSecrets.use(({ find }) => find(name)).pipe(
      Effect.provide(ConnectorSecrets.layer),
      Effect.provide([layer, environment(env)])
    )
  })

/** What was found, readable for a comparison. */
export const plain = (found: Option.Option<ConnectorSecrets.ConnectorSecret>) =>
  Option.getOrUndefined(Option.map(found, ({ value, place }) => ({ value: Redacted.value(value), place })))
