/** The first minutes of somebody who has just cloned the repository, into a folder whose name has a space. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, FileSystem, Ref, Schema, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** The sources at another place. Packages of others are linked to; those of the repository are the copied ones. */
const cloned = Effect.fnUntraced(function* (to: string) {
  const files = yield* FileSystem.FileSystem
  yield* files.makeDirectory(`${to}/node_modules/@flyte-databricks`, { recursive: true })
  for (const folder of ["apps", "packages"]) {
    for (const workspace of yield* files.readDirectory(`${root}${folder}`)) {
      for (const part of ["package.json", "src", "gen", "flytekit"]) {
        const from = `${root}${folder}/${workspace}/${part}`
        if (!(yield* files.exists(from))) continue
        yield* files.makeDirectory(`${to}/${folder}/${workspace}`, { recursive: true })
        yield* files.copy(from, `${to}/${folder}/${workspace}/${part}`)
      }
      yield* files.symlink(`../../${folder}/${workspace}`, `${to}/node_modules/@flyte-databricks/${workspace}`)
    }
  }
  for (const name of yield* files.readDirectory(`${root}node_modules`)) {
    if (name === "@flyte-databricks" || name.startsWith(".")) continue
    yield* files.symlink(`${root}node_modules/${name}`, `${to}/node_modules/${name}`)
  }
})

const Routes = Schema.fromJsonString(Schema.Struct({ routes: Schema.NonEmptyArray(Schema.String) }))

describe("the tour", () => {
  it.live("runs in a folder with a space, and what it says to try next works", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const folder = `${yield* files.makeTempDirectoryScoped()}/my projects`
      yield* cloned(folder)
      const tour = yield* ChildProcess.make(process.execPath, ["apps/tour/src/main.ts"], {
        cwd: folder,
        forceKillAfter: "10 seconds"
      })
      const output = yield* Ref.make("")
      const told = yield* Deferred.make<string>()
      yield* tour.all.pipe(
        Stream.decodeText(),
        Stream.runForEach((text) =>
          Effect.gen(function* () {
            const all = yield* Ref.updateAndGet(output, (before) => before + text)
            if (all.includes("Against a real workspace")) yield* Deferred.succeed(told, all)
          })
        ),
        Effect.andThen(Effect.flatMap(Ref.get(output), (all) => Deferred.succeed(told, all))),
        Effect.forkScoped
      )
      const commands = [...(yield* Deferred.await(told)).matchAll(/^ {2}(curl .*)$/gm)].map(
        ([, command = ""]) => command
      )
      assert.lengthOf(commands, 2, yield* Ref.get(output))
      for (const command of commands) {
        const shell = yield* ChildProcess.make("sh", ["-c", `${command} --silent`])
        const answer = yield* shell.stdout.pipe(Stream.decodeText(), Stream.mkString)
        const { routes } = yield* Schema.decodeEffect(Routes)(answer)
        assert.include(routes, "GET /_emulator/requests")
      }
      // Ctrl-C.
      yield* Effect.sync(() => process.kill(Number(tour.pid), "SIGINT"))
      assert.strictEqual(Number(yield* tour.exitCode), 0)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
