import { ProjectedToken } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, FileSystem, Option, PlatformError, Redacted } from "effect"
import { jwtText } from "../support/jwt.ts"
import { type Entry, makeTokenFiles } from "../support/oidc.ts"
import { assertNoSecret, shownAs } from "../support/secrecy.ts"
import { broken, mounted, source } from "../support/tokenFiles.ts"

/** Reads a file of which this is there. */
const read = (entry: Entry | undefined, file: ProjectedToken.TokenFile, env: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const { layer } = yield* makeTokenFiles(entry === undefined ? {} : { [file.path]: entry })
    return yield* ProjectedToken.ProjectedToken.use((tokens) => tokens.read(file)).pipe(
      Effect.provide(source(env, layer))
    )
  })

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
      const { source, problem } = broken(yield* Effect.flip(ProjectedToken.requireFile(mounted, Option.none())))
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
      const files = FileSystem.layerNoop({
        stat: () => Effect.succeed({ type: "File", size: BigInt(size) } as FileSystem.File.Info)
      })
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
      const files = FileSystem.layerNoop({
        stat: () => Effect.succeed({ type: "File", size: BigInt(100) } as FileSystem.File.Info),
        readFileString: () => Effect.fail(gone)
      })
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

  const whys: ReadonlyArray<readonly [ProjectedToken.TokenFile["from"], string]> = [
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
      const { source, problem } = broken(yield* Effect.flip(ProjectedToken.requireUnexpired(mounted, jwt)))
      assert.include(source, mounted.path)
      assert.include(problem, "expired at 1969-12-31T23:59:00.000Z")
    })
  )

  it.effect("counts as current for a minute more, and one without an end for ever", () =>
    Effect.gen(function* () {
      for (const claims of [{ exp: -59 }, { exp: 1 }, {}]) {
        const jwt = Option.getOrThrow(yield* read(jwtText(claims), mounted))
        assertEquals(yield* ProjectedToken.requireUnexpired(mounted, jwt), jwt)
      }
    })
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
