/** The programs of README.md run, and its tables say what is so. */
import { NodeServices } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { AuthError } from "@flyte-databricks/databricks-auth"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import { Effect, FileSystem, Redacted, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))
const read = (name: string) => FileSystem.FileSystem.use((files) => files.readFileString(path(name)))

const run = (program: string, env: Record<string, string>) =>
  Effect.gen(function* () {
    const { PATH = "" } = process.env
    const started = yield* ChildProcess.make(process.execPath, [path(program)], {
      env: { PATH, ...env },
      extendEnv: false
    })
    const said = yield* started.all.pipe(Stream.decodeText(), Stream.mkString)
    return { said, code: Number(yield* started.exitCode) }
  })

describe("the programs of the README", () => {
  it.effect("are the files that are there", () =>
    Effect.gen(function* () {
      const shown = [...(yield* read("README.md")).matchAll(/^```ts\n(.*?)```$/gms)].map(([, program]) => program)
      const files = ["example.client.ts", "example.ts", "example.test.ts"]
      assertEquals(shown, yield* Effect.forEach(files, read))
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("print what the README says, and no token", () =>
    Effect.gen(function* () {
      const readme = (yield* read("README.md")).replaceAll("\n", " ")
      const [, variable = "", instance = "", said] = readme.match(/With `(\w+)=(\S+)` it prints `([^`]+)`/) ?? []
      assertEquals(yield* run("example.ts", { [variable]: instance }), { said: `${said}\n`, code: 0 })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("log in as the environment says, and end", () =>
    Effect.gen(function* () {
      const workspace = yield* DatabricksWorkspace.make()
      const { pats } = yield* workspace.addServicePrincipal({ pats: ["dapi-of-the-readme"] })
      const env = { DATABRICKS_HOST: workspace.url, DATABRICKS_TOKEN: Redacted.value(pats[0]!) }
      assertEquals(yield* run("example.client.ts", env), { said: "200 DATABRICKS_TOKEN\n", code: 0 })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("test an outage", () =>
    Effect.gen(function* () {
      assertEquals((yield* run("example.test.ts", {})).code, 0)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("the table of errors", () => {
  it.effect("has every reason, and whether to try again", () =>
    Effect.gen(function* () {
      const rows = [
        ...(yield* read("README.md")).matchAll(/^\| (`[A-Z]\w+`(?:, `\w+`)*) \|(?:[^|]*\|){3} (yes|no) \|/gm)
      ]
      const told = rows.flatMap(([, tags = "", retryable]) =>
        [...tags.matchAll(/\w+/g)].map(([tag]) => [tag, retryable === "yes"] as const)
      )
      const { get: retryable } = Object.getOwnPropertyDescriptor(AuthError.AuthError.prototype, "retryable")!
      const reasons = AuthError.Reason.members.map(
        ({ identifier: _tag }) => [_tag, retryable!.call({ reason: { _tag } }) as boolean] as const
      )
      assertEquals(told.toSorted(), reasons.toSorted())
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
