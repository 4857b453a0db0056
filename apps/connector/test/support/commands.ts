/** Programs that tests run to their end. */
import { NodeServices } from "@effect/platform-node"
import { Data, Effect, Stream } from "effect"
import { ChildProcess } from "effect/process"

/** A program ended with another status than 0. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly command: string
  readonly said: string
}> {
  override get message() {
    return `${this.command}: ${this.said}`
  }
}

/** Runs a program to its end; the answer is what it printed. */
export const run = Effect.fnUntraced(
  function* (program: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) {
    const handle = yield* ChildProcess.make(program, args, { env, extendEnv: true })
    const text = (stream: typeof handle.stdout) => stream.pipe(Stream.decodeText(), Stream.mkString)
    const [printed, said, exitCode] = yield* Effect.all([text(handle.stdout), text(handle.stderr), handle.exitCode], {
      concurrency: "unbounded"
    })
    if (Number(exitCode) === 0) return printed
    return yield* new CommandFailed({ command: [program, ...args].join(" "), said: said + printed })
  },
  Effect.scoped,
  Effect.provide(NodeServices.layer)
)
