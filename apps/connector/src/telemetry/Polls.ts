/**
 * Polls that are fine, summed up: a thousand running tasks are a hundred of them a second. Once a minute the log has how
 * many there were in each workspace, and of runs in which phase.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Whoever counts polls. By default nobody does. */
export const Polls = Context.Reference<{ readonly seen: (instance: string, phase: string) => void }>(
  "@flyte-databricks/connector/telemetry/Polls",
  { defaultValue: () => ({ seen: () => undefined }) }
)

// Workflow authors choose the workspace, on the allow-list.
const maxInstances = 50

/** Counts, and says so every minute and at the end of the scope. */
export const make = Effect.gen(function* (): Effect.fn.Return<typeof Polls.Service, never, Scope.Scope> {
  let counts = new Map<string, Map<string, number>>()

  const tell = Effect.suspend(() => {
    const before = counts
    counts = new Map()
    return Effect.forEach(
      before,
      ([instance, phases]) => {
        const polls = [...phases.values()].reduce((sum, count) => sum + count, 0)
        return Effect.logInfo(`${polls} polls were answered in the last minute`).pipe(
          Effect.annotateLogs({ instance, polls, ...Object.fromEntries(phases) })
        )
      },
      { discard: true }
    )
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("1 minute"), tell)))
  yield* Effect.addFinalizer(() => tell)

  return {
    seen: (instance, phase) => {
      const name = counts.has(instance) || counts.size < maxInstances ? instance : "others"
      const phases = counts.get(name) ?? new Map<string, number>()
      counts.set(name, phases)
      phases.set(phase, (phases.get(phase) ?? 0) + 1)
    }
  }
})
