/** The connector that is attacked: the bundle in its box, and what it has cost so far. */
import { Data, Deferred, Effect, FileSystem, Ref, Schema, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import type { Box } from "./Box.ts"

const Listening = Schema.fromJsonString(Schema.Struct({ annotations: Schema.Struct({ port: Schema.Int }) }))

class NotStarted extends Data.TaggedError("NotStarted")<{ readonly said: string }> {
  override get message() {
    return this.said
  }
}

const containerfile = new URL("../../../../../deploy/Containerfile", import.meta.url)

/** What the image says of memory. */
const ofImage = (text: string) => ({
  NODE_OPTIONS: /NODE_OPTIONS="([^"]+)"/.exec(text)?.[1] ?? "",
  MALLOC_ARENA_MAX: /MALLOC_ARENA_MAX=(\d+)/.exec(text)?.[1] ?? ""
})

const inBox = (box: Box, main: string) => [
  "-c",
  `echo $$ > ${box.procs} && exec "$0" "$@"`,
  process.execPath,
  main,
  "serve",
  "--host",
  "127.0.0.1",
  "--port",
  "0",
  "--prometheus_port",
  "0"
]

/** Starts it, and waits until it listens. */
export const start = Effect.fnUntraced(function* (box: Box, main: string, env: Readonly<Record<string, string>>) {
  const files = yield* FileSystem.FileSystem
  const image = ofImage(yield* files.readFileString(fileURLToPath(containerfile)))
  const handle = yield* ChildProcess.make("sh", inBox(box, main), {
    env: { FLYTE_DATABRICKS_DRAIN_DELAY: "0 seconds", ...image, ...env },
    extendEnv: false,
    killSignal: "SIGKILL"
  })
  const lines = yield* Ref.make<ReadonlyArray<string>>([])
  const logged = yield* Ref.make(0)
  const listening = yield* Deferred.make<number, NotStarted>()
  yield* handle.stderr.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) =>
      Effect.gen(function* () {
        yield* Ref.update(logged, (bytes) => bytes + line.length)
        yield* Ref.update(lines, (all) => [...all.slice(-5), line])
        const said = Schema.decodeUnknownOption(Listening)(line)
        if (said._tag === "Some") yield* Deferred.succeed(listening, said.value.annotations.port)
      })
    ),
    Effect.andThen(
      Effect.flatMap(Ref.get(lines), (all) => Deferred.fail(listening, new NotStarted({ said: all.join("\n") })))
    ),
    Effect.forkScoped
  )
  const pid = Number(handle.pid)
  const proc = (file: string) => Effect.orDie(files.readFileString(`/proc/${pid}/${file}`))
  const kills = yield* box.kills
  return {
    pid,
    port: yield* Deferred.await(listening),
    /** The last lines of its log. */
    log: Ref.get(lines),
    loggedBytes: Ref.get(logged),
    // The scheduler's ticks are hundredths of a second.
    cpuMillis: Effect.map(proc("stat"), (stat) => {
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      return (Number(fields[11]) + Number(fields[12])) * 10
    }),
    /** The most memory that it had at once, without the files that it runs from, whose memory is given back at need. */
    peakMb: Effect.map(proc("status"), (status) => {
      const of = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024
      return of("VmHWM") - of("RssFile")
    }),
    isAlive: Effect.gen(function* () {
      return (yield* handle.isRunning) && (yield* box.kills) === kills
    })
  }
})

export type Target = Effect.Success<ReturnType<typeof start>>
