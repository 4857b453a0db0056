/**
 * The connector as a process of its own, as in a pod: configured by its environment alone.
 */
import * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { fileURLToPath } from "node:url"

/** The connector ended before it listened. */
export class ConnectorDidNotStart extends Data.TaggedError("ConnectorDidNotStart")<{ readonly output: string }> {
  override get message() {
    return `The connector did not start. It said:\n\n${this.output}`
  }
}

// The line by which the connector says that it listens, and where.
const Listening = Schema.fromJsonString(Schema.Struct({ annotations: Schema.Struct({ port: Schema.Int }) }))

/** Starts the connector and waits until it listens; the answer is its port. */
export const start = Effect.fnUntraced(function* (options: {
  readonly port: number
  readonly env: Readonly<Record<string, string>>
  readonly log: string
}) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const fileSystem = yield* FileSystem.FileSystem
  const listening = yield* Deferred.make<number, ConnectorDidNotStart>()
  const output = yield* Ref.make("")

  const main = fileURLToPath(import.meta.resolve("@flyte-databricks/connector/main"))
  // Windows makes no connection for a process without it.
  const systemRoot = yield* Config.option(Config.String("SystemRoot"))
  const connector = yield* spawner.spawn(
    ChildProcess.make(process.execPath, [main, "serve", "--host", "127.0.0.1", "--port", String(options.port)], {
      // Nobody but the tour calls it, and the tour knows when it ends.
      env: {
        ...options.env,
        ...Option.match(systemRoot, { onNone: () => ({}), onSome: (SystemRoot) => ({ SystemRoot }) }),
        FLYTE_DATABRICKS_LOG_FORMAT: "json",
        FLYTE_DATABRICKS_DRAIN_DELAY: "0 seconds",
        FLYTE_DATABRICKS_PROMETHEUS_PORT: "0"
      },
      extendEnv: false,
      killSignal: "SIGTERM",
      forceKillAfter: "30 seconds"
    })
  )
  yield* connector.all.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach(
      Effect.fnUntraced(function* (line) {
        yield* Ref.update(output, (all) => `${all}${line}\n`)
        yield* fileSystem.writeFileString(options.log, `${line}\n`, { flag: "a" })
        const parsed = Schema.decodeOption(Listening)(line)
        if (Option.isSome(parsed)) yield* Deferred.succeed(listening, parsed.value.annotations.port)
      })
    ),
    Effect.andThen(Ref.get(output)),
    Effect.flatMap((said) => Deferred.fail(listening, new ConnectorDidNotStart({ output: said }))),
    Effect.forkScoped
  )
  return yield* Deferred.await(listening)
})
