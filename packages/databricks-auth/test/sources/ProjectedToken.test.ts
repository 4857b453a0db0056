import { NodeFileSystem } from "@effect/platform-node"
import { type AuthError, ConnectorSecrets, ConnectorSettings, ProjectedToken } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, FileSystem, Layer, Option, Path, PlatformError, Redacted, Ref } from "effect"
import { environment } from "../support/environment.ts"
import { type Entry, jwtText, makeTokenFiles } from "../support/oidc.ts"
import { assertNoSecret, shownAs } from "../support/secrecy.ts"

type Why = ProjectedToken.TokenFile["from"]

const source = (env: Record<string, string>, files: Layer.Layer<FileSystem.FileSystem | Path.Path>) =>
  ProjectedToken.layer.pipe(
    Layer.provide([Layer.orDie(ConnectorSettings.layerConfig), ConnectorSecrets.layerMemory(env)]),
    Layer.provide([files, environment(env)])
  )

/** Reads a file of which this is there. */
const read = (entry: Entry | undefined, file: ProjectedToken.TokenFile, env: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const { layer } = yield* makeTokenFiles(entry === undefined ? {} : { [file.path]: entry })
    return yield* ProjectedToken.ProjectedToken.use((tokens) => tokens.read(file)).pipe(
      Effect.provide(source(env, layer))
    )
  })

const broken = (error: AuthError.AuthError) => {
  assert(error.reason._tag === "CredentialsBroken", `${error.reason._tag}: ${error.message}`)
  assert.isFalse(error.retryable)
  return error.reason
}

const mounted: ProjectedToken.TokenFile = { path: "/var/run/secrets/databricks/token", from: "default" }

describe("a file that holds a JWT", () => {
  it.effect.each([jwtText(), `${jwtText()}\n`, ` \t${jwtText()}\r\n\r\n`, `\uFEFF${jwtText()}`])(
    "is read, without what an editor leaves around it: %j",
    (content) =>
      Effect.gen(function* () {
        const jwt = Option.getOrThrow(yield* read(content, mounted))
        assert.strictEqual(Redacted.value(jwt.token), jwtText())
      })
  )

  it.effect("is read anew each time, since the kubelet rotates it", () =>
    Effect.gen(function* () {
      const files = yield* makeTokenFiles({ [mounted.path]: jwtText({ sub: "one" }) })
      const subject = ProjectedToken.ProjectedToken.use((tokens) => tokens.read(mounted)).pipe(
        Effect.map((jwt) => Option.getOrThrow(jwt).claims.sub)
      )
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* subject, "one")
        yield* files.write(mounted.path, jwtText({ sub: "two" }))
        assert.strictEqual(yield* subject, "two")
        yield* files.remove(mounted.path)
        assertEquals(yield* ProjectedToken.ProjectedToken.use((tokens) => tokens.read(mounted)), Option.none())
      }).pipe(Effect.provide(source({}, files.layer)))
    })
  )
})

describe("a file that does not exist", () => {
  it.effect("is absent", () =>
    Effect.gen(function* () {
      assertEquals(yield* read(undefined, mounted), Option.none())
    })
  )

  it.effect("though it was counted on is broken", () =>
    Effect.gen(function* () {
      const { source, problem } = broken(yield* Effect.flip(ProjectedToken.demand(mounted, Option.none())))
      assert.include(source, mounted.path)
      assert.strictEqual(problem, "does not exist")
    })
  )
})

const faults: ReadonlyArray<readonly [string, Entry, string]> = [
  ["is empty", "", "is empty"],
  ["is blank", " \n\t", "is empty"],
  ["is something else", "dapi0123456789abcdef0123456789abcdef", "does not hold a JWT"],
  ["is half-written", jwtText().slice(0, 60), "does not hold a JWT"],
  ["is written up to its signature", jwtText().slice(0, jwtText().lastIndexOf(".") + 1), "does not hold a JWT"],
  ["is a directory", { type: "Directory" }, "is not a file but a directory"],
  ["is a pipe, which would never end", { type: "FIFO" }, "is not a file but a fifo"],
  ["has a megabyte", "x".repeat(1024 * 1024), "has 1048576 bytes, which no JWT has"],
  ["may not be read", { unreadable: "PermissionDenied" }, "cannot be read (PermissionDenied)"],
  ["is busy", { unreadable: "Busy" }, "cannot be read (Busy)"]
]

describe("a file that is there and", () => {
  it.effect.each(faults)("%s is broken, in words of its own", ([, entry, problem]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read(entry, mounted))
      assert.strictEqual(broken(error).problem, problem)
      assertNoSecret("the error", ...shownAs(error))
      assert.notInclude(error.message, "dapi0123")
    })
  )

  it.effect("has a megabyte is not read into memory", () =>
    Effect.gen(function* () {
      const size = 1024 * 1024
      const files = Layer.merge(
        FileSystem.layerNoop({
          stat: () => Effect.succeed({ type: "File", size: BigInt(size) } as FileSystem.File.Info)
        }),
        Path.layer
      )
      const tokens = yield* Effect.provide(ProjectedToken.ProjectedToken, source({}, files))
      assert.include(broken(yield* Effect.flip(tokens.read(mounted))).problem, String(size))
    })
  )

  it.effect("may be as large as 64 KiB", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isSome(yield* read(jwtText().padEnd(64 * 1024), mounted)))
      const error = yield* Effect.flip(read(jwtText().padEnd(64 * 1024 + 1), mounted))
      assert.strictEqual(broken(error).problem, "has 65537 bytes, which no JWT has")
    })
  )

  it.effect("is gone the moment after is absent", () =>
    Effect.gen(function* () {
      const gone = PlatformError.systemError({ _tag: "NotFound", module: "FileSystem", method: "read" })
      const files = Layer.merge(
        FileSystem.layerNoop({
          stat: () => Effect.succeed({ type: "File", size: BigInt(100) } as FileSystem.File.Info),
          readFileString: () => Effect.fail(gone)
        }),
        Path.layer
      )
      const tokens = yield* Effect.provide(ProjectedToken.ProjectedToken, source({}, files))
      assertEquals(yield* tokens.read(mounted), Option.none())
    })
  )

  it.effect("is none is told how to mend it", () =>
    Effect.gen(function* () {
      const { remedy } = broken(yield* Effect.flip(read("", mounted)))
      assert.include(remedy, "Project a ServiceAccount token there (a volume of type projected")
      assert.include(remedy, "or name another file in FLYTE_DATABRICKS_OIDC_TOKEN_FILE.")
    })
  )

  it("tells its faults apart", () => {
    const problems = new Set(faults.map(([, , problem]) => problem))
    assert.strictEqual(problems.size, 7)
  })

  const whys: ReadonlyArray<readonly [Why, string]> = [
    ["task", "databricksOidcTokenFile of the task"],
    ["FLYTE_DATABRICKS_OIDC_TOKEN_FILE", "FLYTE_DATABRICKS_OIDC_TOKEN_FILE"],
    ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"],
    ["default", "the default path"],
    ["run", "pinned when the run was submitted"]
  ]
  it.effect.each(whys)("cannot be used is named with the reason why it is this one: %s", ([from, why]) =>
    Effect.gen(function* () {
      const file = { path: "/tokens/one", from }
      for (const [, entry] of faults) {
        const error = yield* Effect.flip(read(entry, file, { FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: "/tokens" }))
        assert.strictEqual(
          broken(error).source,
          `JWT file /tokens/one (${why.startsWith("the ") || from === "run" ? why : `named by ${why}`})`
        )
        assert.include(error.message, `JWT file /tokens/one (`)
      }
    })
  )
})

describe("a JWT that ended", () => {
  it.effect("is told apart from one that is current, and the error says when it ended", () =>
    Effect.gen(function* () {
      const jwt = Option.getOrThrow(yield* read(jwtText({ exp: -60 }), mounted))
      const { source, problem } = broken(yield* Effect.flip(ProjectedToken.current(mounted, jwt)))
      assert.include(source, mounted.path)
      assert.include(problem, "expired at 1969-12-31T23:59:00.000Z")
    })
  )

  it.effect("counts as current for a minute more, and one without an end for ever", () =>
    Effect.gen(function* () {
      for (const claims of [{ exp: -59 }, { exp: 1 }, {}]) {
        const jwt = Option.getOrThrow(yield* read(jwtText(claims), mounted))
        assertEquals(yield* ProjectedToken.current(mounted, jwt), jwt)
      }
    })
  )
})

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
  const files = Layer.merge(Layer.succeed(FileSystem.FileSystem, recording), Path.layer)
  const readAs = (from: Why, file: string, dirs = at("dir")) =>
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

describe("the connector's client id", () => {
  const clientId = (env: Record<string, string>) =>
    Effect.gen(function* () {
      const { layer } = yield* makeTokenFiles()
      return yield* ProjectedToken.ProjectedToken.use((tokens) => tokens.clientId).pipe(
        Effect.provide(source(env, layer))
      )
    })

  it.effect("is Flyte's setting, else Databricks' own", () =>
    Effect.gen(function* () {
      assertEquals(yield* clientId({}), Option.none())
      assertEquals(yield* clientId({ FLYTE_DATABRICKS_CLIENT_ID: " ", DATABRICKS_CLIENT_ID: "b" }), Option.some("b"))
      assertEquals(yield* clientId({ FLYTE_DATABRICKS_CLIENT_ID: "a", DATABRICKS_CLIENT_ID: "b" }), Option.some("a"))
    })
  )

  it.effect("that is a secret in the wrong place is broken, and not repeated", () =>
    Effect.gen(function* () {
      const secret = "dose0123456789abcdef0123456789abcdef"
      const error = yield* Effect.flip(clientId({ FLYTE_DATABRICKS_CLIENT_ID: secret }))
      assert.include(error.message, "The connector's client id (from FLYTE_DATABRICKS_CLIENT_ID) looks like a secret.")
      assert.notInclude(error.message, secret)
    })
  )
})
