/**
 * The connector that is attacked: the bundle in its box, beside a caller who asks for the registry all the time, as Flyte
 * does. One of its polls that fails empties Flyte's registry.
 */
import { assert } from "@effect/vitest"
import {
  Clock,
  Config,
  ConfigProvider,
  Console,
  Data,
  Deferred,
  Duration,
  Effect,
  FileSystem,
  Ref,
  Schema,
  Stream
} from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import * as FlyteClient from "../../support/FlyteClient.ts"
import * as Log from "../../support/Log.ts"
import type { Box } from "./Box.ts"

const app = fileURLToPath(new URL("../../..", import.meta.url))
const attackProgram = fileURLToPath(new URL("attack.ts", import.meta.url))

class BuildFailed extends Data.TaggedError("BuildFailed") {}

/** The bundle: built into a directory of its own, or one that is there already. */
export const bundle = Effect.gen(function* () {
  const given = yield* Config.String("FLYTE_DATABRICKS_BUNDLE").pipe(Config.withDefault(""))
  if (given !== "") return given
  const directory = yield* FileSystem.FileSystem.use((files) => files.makeTempDirectoryScoped())
  const build = yield* ChildProcess.make(process.execPath, ["tools/build.ts", `${directory}/connector`], { cwd: app })
  if (Number(yield* build.exitCode) !== 0) return yield* new BuildFailed()
  return `${directory}/connector`
}).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv())))

const Listening = Schema.fromJsonString(Schema.Struct({ annotations: Schema.Struct({ port: Schema.Int }) }))

// The charts': 300 MiB, and what Node makes of it by itself.
const command = (box: Box, main: string) => ["-c", `echo $$ > ${box.procs} && exec "$0" "$@"`, process.execPath, main]

/** Starts it, and waits until it listens. */
export const start = Effect.fnUntraced(function* (box: Box, directory: string, env: Readonly<Record<string, string>>) {
  const files = yield* FileSystem.FileSystem
  const handle = yield* ChildProcess.make(
    "sh",
    [...command(box, `${directory}/main.js`), "serve", "--host", "127.0.0.1", "--port", "0", "--prometheus_port", "0"],
    {
      env: {
        FLYTE_DATABRICKS_DRAIN_DELAY: "0 seconds",
        NODE_OPTIONS: "--max-old-space-size-percentage=50 --max-semi-space-size=16",
        ...env
      },
      extendEnv: false,
      killSignal: "SIGKILL"
    }
  )
  const lines = yield* Ref.make<ReadonlyArray<string>>([])
  const logged = yield* Ref.make(0)
  const listening = yield* Deferred.make<number, string>()
  yield* handle.stderr.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) =>
      Effect.gen(function* () {
        yield* Ref.update(logged, (bytes) => bytes + line.length)
        yield* Ref.update(lines, (all) => [...all.slice(-500), line])
        const said = Schema.decodeUnknownOption(Listening)(line)
        if (said._tag === "Some") yield* Deferred.succeed(listening, said.value.annotations.port)
      })
    ),
    Effect.andThen(Effect.flatMap(Ref.get(lines), (all) => Deferred.fail(listening, all.join("\n")))),
    Effect.forkScoped
  )
  const port = yield* Deferred.await(listening)
  const proc = `/proc/${Number(handle.pid)}`
  const kills = yield* box.kills
  // The scheduler's ticks are hundredths of a second.
  const cpuMillis = Effect.map(files.readFileString(`${proc}/stat`), (stat) => {
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return (Number(fields[11]) + Number(fields[12])) * 10
  })
  return {
    port,
    directory,
    log: Ref.get(lines),
    loggedBytes: Ref.get(logged),
    cpuMillis,
    peakMb: box.peakMb,
    signal: (name: "SIGTERM") => Effect.sync(() => process.kill(Number(handle.pid), name)),
    exitCode: Effect.map(handle.exitCode, Number),
    isAlive: Effect.gen(function* () {
      return (yield* handle.isRunning) && (yield* box.kills) === kills
    })
  }
})

export type Target = Effect.Success<ReturnType<typeof start>>

/** What a recipe may cost. */
export interface Budget {
  readonly cpuMillis: number
  /** The most memory that was in use at any moment since the start. */
  readonly peakMb: number
}

/** The slowest answer to a caller who asks for the registry ten times a second, while the work lasts. */
const watched = Effect.fnUntraced(function* <A, E, R>(target: Target, work: Effect.Effect<A, E, R>) {
  const flyte = yield* FlyteClient.make(`127.0.0.1:${target.port}`, [])
  const slowest = yield* Ref.make(0)
  const failures = yield* Ref.make<ReadonlyArray<string>>([])
  const ask = Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    yield* flyte.listAgents.pipe(Effect.catch(({ message }) => Ref.update(failures, (all) => [...all, message])))
    const took = (yield* Clock.currentTimeMillis) - start
    yield* Ref.update(slowest, (before) => Math.max(before, took))
  })
  yield* ask
  yield* Ref.set(slowest, 0)
  const watching = yield* ask.pipe(Effect.andThen(Effect.sleep("100 millis")), Effect.forever, Effect.forkChild)
  const result = yield* work
  yield* ask
  watching.interruptUnsafe()
  return { result, slowestMs: yield* Ref.get(slowest), failures: yield* Ref.get(failures) }
})

/** Runs an attack by its name to its end; gives what it counted. */
export const attack = Effect.fnUntraced(function* (target: Target, name: string, argument: object = {}) {
  const handle = yield* ChildProcess.make(process.execPath, [
    attackProgram,
    name,
    String(target.port),
    JSON.stringify(argument)
  ])
  const text = (stream: typeof handle.stdout) => stream.pipe(Stream.decodeText(), Stream.mkString)
  const [stdout, stderr] = yield* Effect.all([text(handle.stdout), text(handle.stderr)], { concurrency: "unbounded" })
  assert.strictEqual(stderr, "")
  return JSON.parse(stdout) as Readonly<Record<string, number>>
})

/** The recipe's cost; that the connector lives and has answered for the registry all the while is asserted. */
export const withstand = Effect.fnUntraced(function* <A, E, R>(
  name: string,
  target: Target,
  budget: Budget,
  work: Effect.Effect<A, E, R>
) {
  const cpuBefore = yield* target.cpuMillis
  const bytesBefore = yield* target.loggedBytes
  const { result, slowestMs, failures } = yield* watched(target, work)
  const alive = yield* target.isAlive
  const cpu = alive ? (yield* target.cpuMillis) - cpuBefore : Number.NaN
  const peak = alive ? yield* target.peakMb : Number.NaN
  const logged = (yield* target.loggedBytes) - bytesBefore
  yield* Console.log(
    `${name}: ${alive ? "" : "KILLED, "}CPU ${cpu} of ${budget.cpuMillis} ms, peak ${peak.toFixed(0)} of ${budget.peakMb} MB, ` +
      `slowest ListAgents ${slowestMs} ms, log ${logged} bytes, ${JSON.stringify(result)}`
  )
  assert.isTrue(alive, `the connector was killed:\n${(yield* target.log).slice(-5).join("\n").slice(0, 3000)}`)
  assert.deepStrictEqual(failures, [])
  assert.isAtMost(slowestMs, 1000)
  assert.isAtMost(cpu, budget.cpuMillis)
  assert.isAtMost(peak, budget.peakMb)
  return result
})

void Duration
void Log
