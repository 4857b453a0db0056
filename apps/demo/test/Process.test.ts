import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals, assertInclude } from "@effect/vitest/utils"
import { Effect, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import { createServer, type Server } from "node:http"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const start = (args: ReadonlyArray<string>) =>
  ChildProcess.make(process.execPath, [main, ...args], { extendEnv: false, killSignal: "SIGTERM" })

/** What it prints until it can be opened, and the address to open. */
const opened = (process: Effect.Success<ReturnType<typeof start>>) =>
  process.all.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.takeUntil((line) => line.startsWith("Demo ")),
    Stream.runCollect,
    Effect.map((lines) => ({ lines, url: new URL(lines.at(-1)?.split(/\s+/)[1] ?? "") }))
  )

const status = (url: URL, path: string, headers: Record<string, string> = {}) =>
  Effect.promise(() => fetch(new URL(path, url), { headers }).then((response) => response.status))

const elsewhere = ["--host", "0.0.0.0", "--port", "0"]

/** A port that somebody else listens on. */
const takenPort = Effect.acquireRelease(
  Effect.callback<Server>((resume) => {
    const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
).pipe(
  Effect.map((server) => {
    const address = server.address()
    return typeof address === "object" ? String(address?.port) : ""
  })
)

describe("npm run demo", () => {
  it.live("starts on loopback with the stand-ins, and ends when it is told to", () =>
    Effect.gen(function* () {
      const process = yield* start(["--port", "0"])
      const { lines, url } = yield* opened(process)
      assertEquals([url.hostname, url.hash], ["127.0.0.1", ""])
      assertInclude(lines.join("\n"), "(stand-in)")
      assertEquals(yield* status(url, "/api/identity?namespace=fraud-production"), 200)
      // Something to look at before anybody has run a job.
      const { tokens } = yield* Effect.promise(() => fetch(new URL("/api/tokens", url)).then((answer) => answer.json()))
      assertEquals(
        tokens.map(({ identity }: { readonly identity: { readonly source: string } }) => identity.source),
        ["ServiceAccount fraud-production/spark"]
      )
      yield* process.kill()
      assertEquals(Number(yield* process.exitCode), 0)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("prints a token once, and wants it, where others can reach it", () =>
    Effect.gen(function* () {
      const [one, other] = yield* Effect.all([start(elsewhere), start(elsewhere)])
      const { lines, url } = yield* opened(one)
      const token = new URLSearchParams(url.hash.slice(1)).get("token") ?? ""
      assert.match(token, /^[\w-]{43}$/)
      assertEquals(lines.join("\n").split(token).length, 2)
      assert.notEqual((yield* opened(other)).url.hash, url.hash)
      const local = new URL(`http://127.0.0.1:${url.port}`)
      assertEquals(yield* status(local, "/api/tokens"), 401)
      assertEquals(yield* status(local, "/api/tokens", { authorization: `Bearer ${token}` }), 200)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("says what keeps it from starting", () =>
    Effect.gen(function* () {
      const failing = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const process = yield* start(args)
        const said = yield* Stream.mkString(Stream.decodeText(process.all))
        return [said, Number(yield* process.exitCode)] as const
      })
      const port = yield* takenPort
      const [said, exitCode] = yield* failing("--port", port)
      assertInclude(said, port)
      assertEquals(exitCode, 1)
      const [refused] = yield* failing("--instance", "http://10.0.0.1")
      assertInclude(refused, "http:// is for loopback hosts alone")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
