import { ConnectorSecrets } from "@flyte-databricks/databricks-auth"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, FileSystem, Option, Path } from "effect"
import { TestClock } from "effect/testing"
import { environment } from "../support/environment.ts"
import { type File, lookUp, makeFiles, plain } from "../support/secrets.ts"

const name = "FLYTE_DATABRICKS_ACCESS_TOKEN"
const file = "/etc/secrets/flyte_databricks_access_token"

describe("a secret of the connector is looked up in Flyte's own order", () => {
  it.effect("first the variable with Flyte's prefix", () =>
    Effect.gen(function* () {
      const env = { [`_FSEC_${name}`]: "prefixed", [name]: "bare" }
      assert.deepStrictEqual(plain(yield* lookUp(name, { env, files: { [file]: "mounted" } })), {
        value: "prefixed",
        place: `_FSEC_${name}`
      })
    })
  )

  it.effect("then the variable as it is named", () =>
    Effect.gen(function* () {
      const env = { [name]: "bare" }
      assert.deepStrictEqual(plain(yield* lookUp(name, { env, files: { [file]: "mounted" } })), {
        value: "bare",
        place: name
      })
    })
  )

  it.effect("then the file of its name in lower case", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(plain(yield* lookUp(name, { files: { [file]: "mounted" } })), {
        value: "mounted",
        place: file
      })
    })
  )

  it.effect("and it is absent where none of the three is there", () =>
    Effect.gen(function* () {
      const files = { "/etc/secrets/FLYTE_DATABRICKS_ACCESS_TOKEN": "upper case", "/etc/secrets/other": "another" }
      assertEquals(yield* lookUp(name, { env: { OTHER: "x", [`_fsec_${name}`]: "lower case" }, files }), Option.none())
    })
  )

  it.effect("in a prefix, a directory and a file prefix of the operator's", () =>
    Effect.gen(function* () {
      const settings = {
        FLYTE_SECRETS_ENV_PREFIX: "MINE_",
        FLYTE_SECRETS_DEFAULT_DIR: " /run/secrets/ ",
        FLYTE_SECRETS_FILE_PREFIX: "flyte-"
      }
      const env = { ...settings, [`_FSEC_${name}`]: "of the default prefix", [`MINE_${name}`]: "of mine" }
      assert.deepStrictEqual(plain(yield* lookUp(name, { env })), { value: "of mine", place: `MINE_${name}` })

      const mounted = "/run/secrets/flyte-flyte_databricks_access_token"
      const files = { [mounted]: "of my directory", [file]: "of the default directory" }
      assert.deepStrictEqual(plain(yield* lookUp(name, { env: settings, files })), {
        value: "of my directory",
        place: mounted
      })
    })
  )

  it.effect("where blank overrides count as unset", () =>
    Effect.gen(function* () {
      const env = { FLYTE_SECRETS_ENV_PREFIX: " ", FLYTE_SECRETS_DEFAULT_DIR: "", FLYTE_SECRETS_FILE_PREFIX: "\t" }
      assert.strictEqual(plain(yield* lookUp(name, { env: { ...env, [`_FSEC_${name}`]: "p" } }))?.value, "p")
      assert.strictEqual(plain(yield* lookUp(name, { env, files: { [file]: "f" } }))?.value, "f")
    })
  )
})

describe("what is in the place", () => {
  it.effect("is trimmed: an editor ends a file with a line feed", () =>
    Effect.gen(function* () {
      assert.strictEqual(plain(yield* lookUp(name, { files: { [file]: " \tdapi 1\r\n\n" } }))?.value, "dapi 1")
      assert.strictEqual(plain(yield* lookUp(name, { env: { [name]: " v\n" } }))?.value, "v")
    })
  )

  it.effect("counts as unset where it is blank, and the next place is looked at", () =>
    Effect.gen(function* () {
      const env = { [`_FSEC_${name}`]: " ", [name]: "\n" }
      assert.deepStrictEqual(plain(yield* lookUp(name, { env, files: { [file]: "mounted" } })), {
        value: "mounted",
        place: file
      })
      assertEquals(yield* lookUp(name, { env, files: { [file]: " \n" } }), Option.none())
    })
  )

  const unreadable: ReadonlyArray<readonly [string, File]> = [
    ["a file that its user may not read", "PermissionDenied"],
    ["a directory", "BadResource"],
    ["a file that the disk does not give", "Unknown"]
  ]
  it.effect.each(unreadable)("is broken, and not absent, where it is %s", ([, failure]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(lookUp(name, { files: { [file]: failure } }))
      assert(error._tag === "AuthError" && error.reason._tag === "CredentialsBroken")
      assert.include(error.message, `The mounted Secret ${file} exists but cannot be read (${failure})`)
      assert.include(error.message, "a file that the connector's user may read")
    })
  )

  it.effect("does not matter where an earlier place holds the secret", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        plain(yield* lookUp(name, { env: { [name]: "bare" }, files: { [file]: "PermissionDenied" } }))?.value,
        "bare"
      )
    })
  )

  it.effect("is read again a second later, since a mounted Secret changes in place", () =>
    Effect.gen(function* () {
      const files = yield* makeFiles({})
      yield* Effect.gen(function* () {
        const { find } = yield* ConnectorSecrets.ConnectorSecrets
        const aSecondLater = TestClock.adjust("1 second")
        assertEquals(yield* find(name), Option.none())
        yield* files.write(file, "first\n")
        yield* aSecondLater
        assert.strictEqual(plain(yield* find(name))?.value, "first")
        yield* files.write(file, "second\n")
        yield* aSecondLater
        assert.strictEqual(plain(yield* find(name))?.value, "second")
        yield* files.write(file, "PermissionDenied")
        yield* aSecondLater
        assert.include((yield* Effect.flip(find(name))).message, "PermissionDenied")
        yield* files.write(file, "NotFound")
        assertEquals(yield* find(name), Option.none())
      }).pipe(Effect.provide(ConnectorSecrets.layer), Effect.provide([files.layer, environment({})]))
    })
  )

  it.effect("is read once for a burst of tasks", () =>
    Effect.gen(function* () {
      const files = yield* makeFiles({ [file]: "hunter2" })
      yield* Effect.gen(function* () {
        const { find } = yield* ConnectorSecrets.ConnectorSecrets
        yield* Effect.replicateEffect(find(name), 100, { concurrency: "unbounded", discard: true })
        yield* TestClock.adjust("999 millis")
        yield* find(name)
        assert.deepStrictEqual(yield* files.reads, [file])
      }).pipe(Effect.provide(ConnectorSecrets.layer), Effect.provide([files.layer, environment({})]))
    })
  )

  it.effect("shows itself under its name alone", () =>
    Effect.gen(function* () {
      const found = yield* lookUp(name, { env: { [name]: "hunter2" } })
      assert.strictEqual(String(Option.getOrThrow(found).value), `<redacted:${name}>`)
    })
  )
})

describe("on the real file system", () => {
  const inDirectory = <A, E>(
    use: (directory: string) => Effect.Effect<A, E, FileSystem.FileSystem | ConnectorSecrets.ConnectorSecrets>
  ) =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const directory = yield* fileSystem.makeTempDirectoryScoped()
      return yield* use(directory).pipe(
        Effect.provide(ConnectorSecrets.layer),
        Effect.provide(environment({ FLYTE_SECRETS_DEFAULT_DIR: directory }))
      )
    }).pipe(Effect.provide([NodeFileSystem.layer, Path.layer]))

  it.effect("a mounted file is read, through the links of a Secret's volume", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const { makeDirectory, writeFileString, symlink, remove } = yield* FileSystem.FileSystem
        const { find } = yield* ConnectorSecrets.ConnectorSecrets
        const lower = name.toLowerCase()
        assertEquals(yield* find(name), Option.none())
        for (const version of ["first", "second"]) {
          yield* makeDirectory(`${directory}/..${version}`)
          yield* writeFileString(`${directory}/..${version}/${lower}`, `${version}\n`)
          yield* Effect.ignore(remove(`${directory}/..data`))
          yield* symlink(`..${version}`, `${directory}/..data`)
          yield* Effect.ignore(symlink(`..data/${lower}`, `${directory}/${lower}`))
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(plain(yield* find(name)), { value: version, place: `${directory}/${lower}` })
        }
      })
    )
  )

  it.effect("a directory in the file's place is broken", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const { makeDirectory } = yield* FileSystem.FileSystem
        yield* makeDirectory(`${directory}/${name.toLowerCase()}`)
        const { find } = yield* ConnectorSecrets.ConnectorSecrets
        const { reason } = yield* Effect.flip(find(name))
        assert.strictEqual(reason._tag, "CredentialsBroken")
      })
    )
  )
})

describe("secrets in memory", () => {
  it.effect("are found by name, blank ones are not", () =>
    Effect.gen(function* () {
      const { find } = yield* ConnectorSecrets.ConnectorSecrets
      assert.deepStrictEqual(plain(yield* find("A")), { value: "x", place: "A" })
      assertEquals(yield* find("B"), Option.none())
      assertEquals(yield* find("C"), Option.none())
    }).pipe(Effect.provide(ConnectorSecrets.layerMemory({ A: " x ", B: " " })))
  )
})
