/** The connector as a process of its own, as in a pod: configured by its environment alone. */
import { Deferred, Effect, Ref, Schema, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import * as Log from "@flyte-databricks/emulators/testing/Log"

const sources = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

/** Starts a command; it knows no environment but the one given. */
const spawn = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>, main = sources) =>
  ChildProcess.make(process.execPath, [main, ...args], { env, extendEnv: false, forceKillAfter: "10 seconds" })

/** Runs a command to its end. */
export const finished = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
) {
  const handle = yield* spawn(args, env)
  const text = (stream: typeof handle.stdout) => stream.pipe(Stream.decodeText(), Stream.mkString)
  const [stdout, stderr, exitCode] = yield* Effect.all([text(handle.stdout), text(handle.stderr), handle.exitCode], {
    concurrency: "unbounded"
  })
  return { exitCode: Number(exitCode), stdout, stderr }
})

const Listening = Schema.fromJsonString(Schema.Struct({ annotations: Schema.Struct({ port: Schema.Int }) }))

/** The port that a line says it listens on, in either format of the log. */
const portIn = (line: string): number | undefined => {
  const said = Schema.decodeUnknownOption(Listening)(line)
  if (said._tag === "Some") return said.value.annotations.port
  const pretty = /^\s+port: (\d+)$/.exec(line.replaceAll(/\u001b\[[0-9;]*m/g, ""))
  return pretty === null ? undefined : Number(pretty[1])
}

/** Starts `serve`, of the sources or of another `main`, on a free port of loopback and waits until it listens. */
export const serve = Effect.fnUntraced(function* (
  env: Readonly<Record<string, string>>,
  args: ReadonlyArray<string> = [],
  main?: string,
  command: ReadonlyArray<string> = ["serve"]
) {
  const handle = yield* spawn(
    [...command, "--host", "127.0.0.1", "--port", "0", ...args],
    // Several run at a time, and whatever else listens on this machine.
    // Fine polls, too, have a line.
    {
      FLYTE_DATABRICKS_DRAIN_DELAY: "0 seconds",
      FLYTE_DATABRICKS_PROMETHEUS_PORT: "0",
      FLYTE_DATABRICKS_LOG_LEVEL: "debug",
      ...env
    },
    main
  )
  const lines = yield* Ref.make<ReadonlyArray<string>>([])
  const listening = yield* Deferred.make<number, string>()
  const errors = yield* handle.stderr.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) =>
      Effect.gen(function* () {
        yield* Ref.update(lines, (all) => [...all, line])
        const port = portIn(line)
        if (port !== undefined) yield* Deferred.succeed(listening, port)
      })
    ),
    Effect.andThen(Effect.flatMap(Ref.get(lines), (all) => Deferred.fail(listening, all.join("\n")))),
    Effect.forkScoped
  )
  const output = yield* handle.stdout.pipe(Stream.decodeText(), Stream.mkString, Effect.forkScoped)
  return {
    port: yield* Deferred.await(listening),
    /** Tells it to stop, and does not wait. */
    signal: (name: NodeJS.Signals) => Effect.sync(() => process.kill(Number(handle.pid), name)),
    exitCode: Effect.map(handle.exitCode, Number),
    /** What was written so far to standard error, line by line. */
    log: Ref.get(lines),
    /** The log of calls so far. */
    calls: Effect.map(Ref.get(lines), (all) =>
      all.map((line) => Log.read(line)).filter(({ annotations }) => "outcome" in annotations)
    ),
    errors,
    output
  }
})
