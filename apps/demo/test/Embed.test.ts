import { NodeServices } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Namespaces, Showcase } from "@flyte-databricks/emulators"
import { Effect, FileSystem, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))
const read = (name: string) => Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path(name)))

describe("embedding the core", () => {
  it.effect("takes the lines that the README shows", () =>
    Effect.gen(function* () {
      const [, shown] = (yield* read("README.md")).match(/^## Embed the core\n\n```ts\n(.*?)```$/ms) ?? []
      assertEquals(shown, yield* read("embed.ts"))
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("works as shown, and shows no token", () =>
    Effect.gen(function* () {
      const { environment } = yield* Showcase.make()
      const program = yield* ChildProcess.make(process.execPath, [path("embed.ts")], {
        env: environment,
        extendEnv: false
      })
      const [said, exitCode] = yield* Effect.all(
        [program.all.pipe(Stream.decodeText(), Stream.mkString), program.exitCode],
        { concurrency: "unbounded" }
      )
      assertEquals(
        [said, Number(exitCode)],
        [`${Namespaces.fraudPrincipal.name} ServiceAccount fraud-production/spark <redacted:authorization>\n`, 0]
      )
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("stays small: the app has less than 450 lines of code, its page aside", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const sources = yield* Effect.forEach(yield* files.readDirectory(path("src")), (name) => read(`src/${name}`))
      const lines = sources.join("\n").split("\n")
      const code = lines.filter((line) => line.trim() !== "" && !/^\s*(\/\/|\/\*|\*)/.test(line))
      assertEquals([sources.length > 5, code.length < 450], [true, true])
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
