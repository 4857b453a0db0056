/** The example of README.md is a program that runs. */
import { NodeServices } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, FileSystem, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))
const read = (name: string) => FileSystem.FileSystem.use((files) => files.readFileString(path(name)))

describe("the example of the README", () => {
  it.effect("is the program that is there", () =>
    Effect.gen(function* () {
      const [, shown] = (yield* read("README.md")).match(/^```ts\n(.*?)```$/ms) ?? []
      assertEquals(shown, yield* read("example.ts"))
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("prints what the README says, and no token", () =>
    Effect.gen(function* () {
      const readme = (yield* read("README.md")).replaceAll("\n", " ")
      const [, variable = "", instance = "", said] = readme.match(/With `(\w+)=(\S+)` it prints `([^`]+)`/) ?? []
      const program = yield* ChildProcess.make(process.execPath, [path("example.ts")], {
        env: { [variable]: instance },
        extendEnv: false
      })
      assertEquals(yield* program.all.pipe(Stream.decodeText(), Stream.mkString), `${said}\n`)
      assertEquals(Number(yield* program.exitCode), 0)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
