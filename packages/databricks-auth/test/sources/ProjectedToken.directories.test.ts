/** Which JWT files a task may name, on a real disk with links. */
import { NodeFileSystem } from "@effect/platform-node"
import { ProjectedToken } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, FileSystem, Layer, Option, Path, Ref } from "effect"
import { jwtText } from "../support/jwt.ts"
import { makeTokenFiles } from "../support/oidc.ts"
import { broken, mounted, source } from "../support/tokenFiles.ts"

/** A real directory with tokens, and around it what is none of a task's business; and each path that was looked at. */
const world = Effect.gen(function* () {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = yield* Effect.flatMap(fileSystem.makeTempDirectoryScoped(), fileSystem.realPath)
  const at = (...parts: ReadonlyArray<string>) => path.join(root, ...parts)
  for (const directory of ["dir", "dir/deep", "dir-evil", "outside"]) yield* fileSystem.makeDirectory(at(directory))
  for (const file of ["dir/token", "dir/deep/token", "dir/..token", "dir-evil/token", "outside/token"]) {
    yield* fileSystem.writeFileString(at(file), jwtText({ sub: file }))
  }
  const links = [
    ["dir/inward", "deep/token"],
    ["dir/outward", "../outside/token"],
    ["dir/absolute", at("outside/token")],
    ["dir/out", at("outside")],
    ["dir/twice", "outward"],
    ["dir/nowhere", at("outside/missing")],
    ["dir/round", "round"],
    ["alias", "dir"]
  ] as const
  for (const [link, target] of links) yield* fileSystem.symlink(target, at(link))
  const touched = yield* Ref.make<ReadonlyArray<string>>([])
  const noted =
    <A extends ReadonlyArray<unknown>, B>(method: (path: string, ...rest: A) => B) =>
    (path: string, ...rest: A): B => {
      Effect.runSync(Ref.update(touched, (all) => [...all, path]))
      return method(path, ...rest)
    }
  // A file that is a link to outside for as long as it takes to open it.
  const turning = at("dir/turning")
  yield* fileSystem.writeFileString(turning, jwtText({ sub: "dir/turning" }))
  const turned = <A, E, R>(file: string, opened: Effect.Effect<A, E, R>) =>
    file === turning
      ? Effect.acquireUseRelease(
          Effect.andThen(fileSystem.remove(turning), fileSystem.symlink(at("outside/token"), turning)),
          () => opened,
          () =>
            Effect.andThen(
              fileSystem.remove(turning),
              fileSystem.writeFileString(turning, jwtText({ sub: "dir/turning" }))
            )
        ).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(error as never)))
      : opened
  const recording: FileSystem.FileSystem = {
    ...fileSystem,
    realPath: noted(fileSystem.realPath),
    stat: noted(fileSystem.stat),
    readFileString: (file, ...rest) => turned(file, noted(fileSystem.readFileString)(file, ...rest)),
    open: (file, ...rest) => turned(file, noted(fileSystem.open)(file, ...rest))
  }
  const files = Layer.succeed(FileSystem.FileSystem, recording)
  const readAs = (from: ProjectedToken.TokenFile["from"], file: string, dirs = at("dir")) =>
    ProjectedToken.ProjectedToken.use((tokens) => tokens.read({ path: file, from })).pipe(
      Effect.provide(source({ FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: dirs }, files)),
      Effect.map(Option.map(({ claims }) => claims.sub))
    )
  return { at, root, readAs, touched: Ref.get(touched), fileSystem, here: path.resolve() }
})

const real = <A, E>(body: (given: Effect.Success<typeof world>) => Effect.Effect<A, E>) =>
  Effect.flatMap(world, body).pipe(Effect.scoped, Effect.provide([NodeFileSystem.layer, Path.layer]))

describe("a file that a task or a run's metadata names", () => {
  const chosen = ["task", "run"] as const

  it.effect.each(chosen)("inside of a listed directory is read, also through a link that stays inside (%s)", (from) =>
    real(({ at, readAs }) =>
      Effect.gen(function* () {
        const inside = [
          [at("dir/token"), "dir/token"],
          [at("dir/deep/token"), "dir/deep/token"],
          [at("dir/deep/../token"), "dir/token"],
          [at("dir/..token"), "dir/..token"],
          [at("dir/inward"), "dir/deep/token"]
        ] as const
        for (const [file, sub] of inside) assertEquals(yield* readAs(from, file), Option.some(sub))
        assertEquals(yield* readAs(from, at("dir/token"), `${at("outside")}, ${at("dir")}/`), Option.some("dir/token"))
      })
    )
  )

  it.effect("is inside of a listed directory that is itself a link", () =>
    real(({ at, readAs }) =>
      Effect.gen(function* () {
        assertEquals(yield* readAs("task", at("alias/token"), at("alias")), Option.some("dir/token"))
        const error = yield* Effect.flip(readAs("task", at("alias/outward"), at("alias")))
        assert.include(broken(error).problem, "not inside")
      })
    )
  )

  it.effect("is absent where it does not exist inside, nor its directory", () =>
    real(({ at, readAs }) =>
      Effect.gen(function* () {
        for (const file of ["dir/missing", "dir/missing/token", "dir/nowhere"]) {
          assertEquals(yield* readAs("task", at(file)), Option.none())
        }
        assertEquals(
          yield* readAs("task", `${at("dir/out")}/../outside/token`),
          Option.none(),
          "`..` comes before links"
        )
        assertEquals(yield* readAs("task", at("none/token"), at("none")), Option.none())
      })
    )
  )

  it.effect.each(chosen)("outside of them is refused and not even looked for (%s)", (from) =>
    real(({ at, readAs, touched }) =>
      Effect.gen(function* () {
        const outside = [
          at("outside/token"),
          at("outside/missing"),
          at("dir/../outside/token"),
          at("dir/deep/../../outside/token"),
          at("dir-evil/token"),
          `${at("dir")}/../dir-evil/token`,
          at("di"),
          at(),
          "/etc/passwd",
          "/",
          "dir/token",
          "./dir/token",
          "token",
          "~/token",
          "file:///dir/token",
          `${at("outside")}\u0000${at("dir/token")}`
        ]
        for (const file of outside) {
          const error = yield* Effect.flip(readAs(from, file))
          const { problem, remedy } = broken(error)
          assert.include(problem, `is refused: it is not inside ${at("dir")}`, file)
          assert.include(remedy, from === "task" ? "Leave it out of the task" : "FLYTE_DATABRICKS_OIDC_TOKEN_FILE")
        }
        assert.deepStrictEqual(yield* touched, [])
      })
    )
  )

  it.effect("relative to wherever the connector was started is refused, inside of a listed directory or not", () =>
    real(({ readAs, touched, here }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(readAs("task", "package.json", here))
        assert.include(broken(error).problem, "is refused")
        assert.deepStrictEqual(yield* touched, [])
      })
    )
  )

  it.effect("that links lead outside is refused, and nothing of it is read", () =>
    real(({ at, readAs, touched }) =>
      Effect.gen(function* () {
        for (const file of ["dir/outward", "dir/absolute", "dir/twice", "dir/out/token"]) {
          const error = yield* Effect.flip(readAs("task", at(file)))
          assert.include(broken(error).problem, "is refused", file)
        }
        assert.notInclude((yield* touched).join(" "), at("outside"))
      })
    )
  )

  it.effect.each(chosen)("that turns into a link while it is looked at is refused (%s)", (from) =>
    real(({ at, readAs }) =>
      Effect.gen(function* () {
        assert.include(broken(yield* Effect.flip(readAs(from, at("dir/turning")))).problem, "is refused")
      })
    )
  )

  it.effect("behind a link outside is refused in the same words, whether or not it exists", () =>
    real(({ at, readAs }) =>
      Effect.gen(function* () {
        const answers = yield* Effect.forEach(["token", "missing", "missing/deeper", "token/deeper"], (rest) =>
          Effect.map(Effect.flip(readAs("task", at("dir/out", rest))), (error) => broken(error).problem)
        )
        assert.strictEqual(new Set(answers).size, 1)
        assert.include(answers[0], "is refused")
      })
    )
  )

  it.effect("with a listed directory that does not exist beside it is refused all the same", () =>
    real(({ at, root, readAs }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(readAs("task", at("dir/outward"), `${root}/gone,${at("dir")}`))
        assert.include(broken(error).problem, "is refused")
      })
    )
  )

  it.effect("that cannot be a path is broken, not a crash", () =>
    real(({ at, readAs }) =>
      Effect.gen(function* () {
        for (const name of ["to\u0000ken", "x".repeat(5000), "round", "token/under"]) {
          const { source, problem } = broken(yield* Effect.flip(readAs("task", at("dir", name))))
          assert.match(problem, /cannot be read|is refused/, name)
          assert.notMatch(source, /\u0000/)
          assert.isBelow(source.length, 400)
        }
      })
    )
  )

  it.effect("is the directory itself: that is no file", () =>
    real(({ at, readAs }) =>
      Effect.gen(function* () {
        assert.include(broken(yield* Effect.flip(readAs("task", at("dir")))).problem, "directory")
      })
    )
  )

  it.effect("is refused where the operator lists none, the operator's own file too, and nothing is looked at", () =>
    Effect.gen(function* () {
      const named = "/var/run/operator/token"
      const aws = "/var/run/aws/token"
      const files = yield* makeTokenFiles(
        Object.fromEntries([named, aws, mounted.path].map((file) => [file, jwtText()]))
      )
      const env = { FLYTE_DATABRICKS_OIDC_TOKEN_FILE: named, AWS_WEB_IDENTITY_TOKEN_FILE: aws }
      for (const path of [named, aws, mounted.path, "/etc/passwd"]) {
        const error = yield* ProjectedToken.ProjectedToken.use((tokens) => tokens.read({ path, from: "task" })).pipe(
          Effect.provide(source(env, files.layer)),
          Effect.flip
        )
        assert.include(broken(error).problem, "FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS is empty")
        assert.include(error.message, `JWT file ${path} (named by databricksOidcTokenFile of the task)`)
      }
      assert.deepStrictEqual(yield* files.touched, [])
    })
  )
})

describe("a file that the operator names", () => {
  it.effect("may be a link to anywhere, as Kubernetes projects them", () =>
    real(({ at, readAs, fileSystem }) =>
      Effect.gen(function* () {
        yield* Effect.orDie(fileSystem.symlink(at("outside"), at("..data")))
        yield* Effect.orDie(fileSystem.symlink("..data/token", at("token")))
        for (const from of ["FLYTE_DATABRICKS_OIDC_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "default"] as const) {
          assertEquals(yield* readAs(from, at("token")), Option.some("outside/token"))
        }
      })
    )
  )

  it.effect("has to be a file, and small, on a real disk too", () =>
    real(({ at, readAs, fileSystem }) =>
      Effect.gen(function* () {
        const { problem } = broken(yield* Effect.flip(readAs("default", at("dir"))))
        assert.strictEqual(problem, "is not a file but a directory")
        yield* Effect.orDie(fileSystem.truncate(at("dir/token"), 70_000))
        assert.include(broken(yield* Effect.flip(readAs("default", at("dir/token")))).problem, "70000 bytes")
      })
    )
  )
})
