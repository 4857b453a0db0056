/**
 * Asks for the registry all the time, as Flyte does, as a program of its own: a poll that fails empties Flyte's registry.
 * It ends with its standard input, and prints how it was answered.
 *
 * An answer counts by what it took beyond waiting for a processor, on either side: on a machine that is busy with
 * something else everything waits, whatever is asked.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect, Ref } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import * as FlyteClient from "../../support/FlyteClient.ts"

const [, , port = "", pid = ""] = process.argv

// The second number is for how long the thread has waited for a processor, in nanoseconds.
const waitedOf = (file: string): number => Number(readFileSync(file, "utf8").split(" ")[1]) / 1e6

/** For how long each thread of a process has waited, in milliseconds. */
const waitedBy = (process: string): ReadonlyMap<string, number> => {
  try {
    const tasks = `/proc/${process}/task`
    return new Map(readdirSync(tasks).map((thread) => [thread, waitedOf(`${tasks}/${thread}/schedstat`)]))
  } catch {
    // A process or a thread that has ended.
    return new Map()
  }
}

const longestWait = (before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number =>
  Math.max(0, ...Array.from(after, ([thread, waited]) => waited - (before.get(thread) ?? waited)))

const watching = Effect.gen(function* () {
  const flyte = yield* FlyteClient.make(`127.0.0.1:${port}`, [])
  const slowest = yield* Ref.make({ tookMs: 0, ownMs: 0 })
  const failures = yield* Ref.make<ReadonlyArray<string>>([])
  const ask = Effect.gen(function* () {
    const [theirs, ours] = [waitedBy(pid), waitedBy("self")]
    const start = yield* Clock.currentTimeMillis
    yield* flyte.listAgents.pipe(Effect.catch(({ message }) => Ref.update(failures, (all) => [...all, message])))
    const tookMs = (yield* Clock.currentTimeMillis) - start
    const waited = longestWait(theirs, waitedBy(pid)) + longestWait(ours, waitedBy("self"))
    const ownMs = Math.max(0, Math.round(tookMs - waited))
    yield* Ref.update(slowest, (before) => (ownMs >= before.ownMs ? { tookMs, ownMs } : before))
  })
  const end = Effect.callback<void>((resume) => {
    process.stdin.resume().once("end", () => resume(Effect.void))
  })
  yield* ask
  yield* Ref.set(slowest, { tookMs: 0, ownMs: 0 })
  yield* Console.log("watching")
  yield* ask.pipe(Effect.andThen(Effect.sleep("100 millis")), Effect.forever, Effect.raceFirst(end))
  yield* ask
  yield* Console.log(JSON.stringify({ ...(yield* Ref.get(slowest)), failures: yield* Ref.get(failures) }))
})

watching.pipe(Effect.scoped, NodeRuntime.runMain)
