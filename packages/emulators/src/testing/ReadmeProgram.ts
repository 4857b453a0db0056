/**
 * The program that a package's README shows, which is `example.ts` beside it, for tests that it is there and runs.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import * as ChildProcess from "effect/process/ChildProcess"
import { fileURLToPath } from "node:url"

/** Of the package with this folder. */
export const of = (folder: URL) => {
  const path = (name: string) => fileURLToPath(new URL(name, folder))
  const read = (name: string) => FileSystem.FileSystem.use((files) => files.readFileString(path(name)))
  return {
    /** What the README shows first, and what `example.ts` has. */
    texts: Effect.gen(function* () {
      const [, shown] = /^```ts\n(.*?)```$/ms.exec(yield* read("README.md")) ?? []
      return { shown, written: yield* read("example.ts") }
    }).pipe(Effect.provide(NodeServices.layer)),
    /** Runs it with these variables alone, and gives what it said. */
    run: (env: Readonly<Record<string, string>>) =>
      ChildProcess.make(process.execPath, [path("example.ts")], { env: { ...env }, extendEnv: false }).pipe(
        Effect.flatMap(({ all }) => all.pipe(Stream.decodeText(), Stream.mkString)),
        Effect.scoped,
        Effect.provide(NodeServices.layer)
      )
  }
}
