/**
 * A server process that ends with the scope, and at the latest with this process, and whose last lines are kept.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Stream from "effect/Stream"

const keptLines = 30

// The standard input is a pipe from this process. It closes when this process ends, also when it is killed: then the
// server is ended, which would otherwise go on for good. What it wrote is thrown away, so it need not finish anything.
const untilInputCloses = `
exec 3<&0
"$@" </dev/null 3<&- & server=$!
{ read -r _ <&3; kill -9 "$server"; } >/dev/null 2>&1 & watch=$!
trap 'kill -9 "$server"' TERM
wait "$server"
status=$?
kill -9 "$watch"
wait
exit "$status"
`

/** Starts the server; it is killed when the scope closes. */
export const start = Effect.fnUntraced(function* (
  name: string,
  program: string,
  flags: Readonly<Record<string, string>>
) {
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
  const handle = yield* ChildProcess.make("/bin/sh", ["-c", untilInputCloses, name, program, ...args], {
    forceKillAfter: "3 seconds"
  })
  const lines: Array<string> = []
  const reading = yield* handle.all.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) =>
      Effect.sync(() => {
        lines.push(line)
        if (lines.length > keptLines) lines.shift()
      })
    ),
    Effect.ignore,
    Effect.forkScoped
  )
  /** Completes when the process has ended and all it said is read. */
  const ended = Fiber.join(reading)
  return {
    name,
    ended,
    /** Ends the process; the answer is the last lines that it wrote. */
    stop: Effect.ignore(handle.kill()).pipe(
      Effect.andThen(ended),
      Effect.map((): ReadonlyArray<string> => lines)
    )
  }
})
