/** Flyte's own connector, in Python, as a process of its own: the other side of every switch to this one or back. */
import { Effect, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import * as FlyteClient from "./FlyteClient.ts"

const support = fileURLToPath(new URL(".", import.meta.url))

/** Starts it, and waits until it listens. */
export const serve = Effect.fnUntraced(function* (python: string, env: Readonly<Record<string, string>>) {
  const handle = yield* ChildProcess.make(python, ["-c", "import python_connector"], {
    env: { PYTHONPATH: support, PYTHONDONTWRITEBYTECODE: "1", ...env },
    extendEnv: true,
    stderr: "inherit",
    forceKillAfter: "10 seconds"
  })
  const port = yield* handle.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runHead,
    Effect.flatMap(Effect.fromOption)
  )
  return yield* FlyteClient.make(`127.0.0.1:${port}`, [])
})
