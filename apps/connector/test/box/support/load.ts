/** Flyte with many runs under way: pollers that ask for each of theirs, and submitters with a large task now and then. */
import { Clock, Duration, Effect } from "effect"
import type * as FlyteClient from "../../support/FlyteClient.ts"
import * as tasks from "../../support/tasks.ts"

interface Measured {
  readonly calls: number
  readonly errors: ReadonlyArray<string>
  readonly p50: number
  readonly p99: number
}

const large = ["--inputs", "x".repeat(3_900_000)]

/** Calls for this long, from 256 pollers and 32 submitters. */
export const load = Effect.fnUntraced(function* (client: FlyteClient.FlyteClient, time: Duration.Duration) {
  const [polls, creates] = [yield* recorder, yield* recorder]
  const first = yield* client.createTask(tasks.createTask({ namespace: "team", execution: "load" }))
  const poller = client.getTask(first).pipe(polls.measured, Effect.andThen(Effect.sleep("2 seconds")), Effect.forever)
  const submitter = (index: number) =>
    Effect.gen(function* () {
      for (let count = 0; ; count++) {
        const execution = `load-${index}-${count}`
        const args = count % 100 === 1 && index < 4 ? { args: large } : {}
        yield* client.createTask(tasks.createTask({ namespace: "team", execution, ...args })).pipe(creates.measured)
        yield* Effect.sleep("3 seconds")
      }
    })
  // They begin one after the other, as runs do.
  const begun = (index: number, of: number) => Effect.sleep(Duration.millis((index * 2000) / of))
  yield* Effect.all(
    [
      ...Array.from({ length: 256 }, (_, index) => Effect.andThen(begun(index, 256), poller)),
      ...Array.from({ length: 32 }, (_, index) => Effect.andThen(begun(index, 32), submitter(index)))
    ],
    { concurrency: "unbounded" }
  ).pipe(Effect.timeoutOption(time))
  return { polls: yield* polls.result, creates: yield* creates.result }
})

const recorder = Effect.sync(() => {
  const taken: Array<number> = []
  const errors: Array<string> = []
  return {
    measured: <A>(call: Effect.Effect<A, FlyteClient.CallFailed>) =>
      Effect.gen(function* () {
        const begun = yield* Clock.currentTimeMillis
        yield* Effect.match(call, {
          onFailure: ({ message }) => void errors.push(message),
          onSuccess: () => undefined
        })
        taken.push((yield* Clock.currentTimeMillis) - begun)
      }),
    result: Effect.sync((): Measured => {
      const sorted = taken.toSorted((a, b) => a - b)
      const quantile = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? 0
      return { calls: taken.length, errors, p50: quantile(0.5), p99: quantile(0.99) }
    })
  }
})
