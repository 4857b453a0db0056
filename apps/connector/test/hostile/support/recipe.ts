/** One attack as a test: a workspace, a connector in its box, a caller who watches, and what the attack may cost. */
import { assert, type Vitest } from "@effect/vitest"
import { Console, Deferred, Effect, Fiber, FileSystem, type Path, Ref, Schema, type Scope, Stream } from "effect"
import { Base64Url } from "effect/encoding"
import { ChildProcess } from "effect/process"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { fileURLToPath } from "node:url"
import * as Box from "./Box.ts"
import { Bundle } from "./Bundle.ts"
import * as Target from "./Target.ts"
import * as Workspace from "./Workspace.ts"

/** What a recipe may cost: some two and a half times what it did when it was measured, since processors differ. */
interface Budget {
  readonly cpuMillis: number
  readonly peakMb: number
  /** How long an answer for the registry may take at most: a second unless it is said. */
  readonly slowestMs?: number
}

export interface Recipe {
  /** The attack's name, and what it is told. */
  readonly attack: string
  readonly argument?: (workspace: { readonly url: string }) => object
  readonly budget: Budget
  /** How the attack is answered: each status, and how often. */
  readonly answered?: Readonly<Record<string, number>>
  readonly answers?: Readonly<Record<string, Workspace.Answer>>
  readonly environment?: Effect.Effect<Record<string, string>, unknown, Scope.Scope | FileSystem.FileSystem>
}

// One process each: what they cost must slow neither the connector nor whoever watches.
const program = (name: string) => fileURLToPath(new URL(`${name}.ts`, import.meta.url))
const text = <E>(stream: Stream.Stream<Uint8Array, E>) => stream.pipe(Stream.decodeText(), Stream.mkString)

/** Runs an attack by its name to its end; gives what it counted. */
const attack = Effect.fnUntraced(function* (target: Target.Target, name: string, argument: object) {
  const args = [program("attack"), name, String(target.port), JSON.stringify(argument)]
  const handle = yield* ChildProcess.make(process.execPath, args)
  const [stdout, stderr] = yield* Effect.all([text(handle.stdout), text(handle.stderr)], { concurrency: "unbounded" })
  assert.strictEqual(stderr, "")
  return JSON.parse(stdout) as Readonly<Record<string, number>>
})

const Watched = Schema.fromJsonString(
  Schema.Struct({ tookMs: Schema.Finite, ownMs: Schema.Finite, failures: Schema.Array(Schema.String) })
)

/** How a caller was answered who asked for the registry while the work lasted. */
const watched = Effect.fnUntraced(function* <A, E, R>(target: Target.Target, work: Effect.Effect<A, E, R>) {
  const watching = yield* Deferred.make<void>()
  const done = yield* Deferred.make<void>()
  const said = yield* Ref.make("")
  const handle = yield* ChildProcess.make(
    process.execPath,
    [program("watch"), String(target.port), String(target.pid)],
    {
      stdin: Stream.fromEffectDrain(Deferred.await(done))
    }
  )
  const reading = yield* handle.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => Effect.andThen(Ref.set(said, line), Deferred.succeed(watching, undefined))),
    Effect.forkScoped
  )
  yield* Deferred.await(watching)
  const result = yield* work
  yield* Deferred.succeed(done, undefined)
  yield* Fiber.join(reading)
  return { result, ...(yield* Schema.decodeEffect(Watched)(yield* Ref.get(said))) }
})

const segment = (claims: object) => Base64Url.encode(JSON.stringify(claims))
const claims = { iss: "https://issuer", sub: "connector", aud: "databricks", exp: 4e9 }
const jwt = `${segment({ alg: "none" })}.${segment(claims)}.c2ln`

/** Adds the test: the connector lives, it costs no more than it may, and answers for the registry all the while. */
export const recipes =
  (it: Vitest.MethodsNonLive<Bundle | FileSystem.FileSystem | Path.Path | ChildProcessSpawner>) =>
  (name: string, recipe: Recipe) =>
    it.effect(
      name,
      () =>
        Effect.gen(function* () {
          const { budget, answered, answers = {}, argument = () => ({}), environment = Effect.succeed({}) } = recipe
          const files = yield* FileSystem.FileSystem
          const directory = yield* files.makeTempDirectoryScoped()
          yield* files.writeFileString(`${directory}/token`, jwt)
          const workspace = yield* Workspace.make(answers)
          const target = yield* Target.start(yield* Box.make, (yield* Bundle).main, {
            FLYTE_DATABRICKS_INSTANCE: workspace.url,
            FLYTE_DATABRICKS_CLIENT_ID: "3f2b1a00-0000-4000-8000-000000000001",
            FLYTE_DATABRICKS_OIDC_TOKEN_FILE: `${directory}/token`,
            ...(yield* environment)
          })
          const [cpuBefore, bytesBefore] = [yield* target.cpuMillis, yield* target.loggedBytes]
          const work = attack(target, recipe.attack, argument(workspace))
          const { result, tookMs, ownMs, failures } = yield* watched(target, work)
          const isAlive = yield* target.isAlive
          assert.isTrue(isAlive, `the connector was killed:\n${(yield* target.log).join("\n").slice(0, 3000)}`)
          const cpu = (yield* target.cpuMillis) - cpuBefore
          const peak = yield* target.peakMb
          const logged = (yield* target.loggedBytes) - bytesBefore
          yield* Console.log(
            `| ${name} | CPU ${cpu} of ${budget.cpuMillis} ms | ${peak.toFixed(0)} of ${budget.peakMb} MB | ` +
              `ListAgents ${ownMs} ms (${tookMs}) | log ${(logged / 1000).toFixed(0)} KB | ${JSON.stringify(result)} |`
          )
          assert.deepStrictEqual(failures, [])
          assert.isAtMost(ownMs, budget.slowestMs ?? 1000, "the slowest answer for the registry")
          assert.isAtMost(cpu, budget.cpuMillis)
          assert.isAtMost(peak, budget.peakMb)
          if (answered !== undefined) assert.deepStrictEqual(result, answered)
        }).pipe(Effect.scoped),
      // On a machine that is busy with something else.
      300_000
    )
