/**
 * Signals that by default do to a process what nobody wants of a server: SIGUSR1 opens Node's inspector, in which whoever
 * reaches it runs any code; SIGHUP and SIGUSR2 end it at once, with its calls under way.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

const unwanted = ["SIGUSR1", "SIGUSR2", "SIGHUP"] as const

const nothing = (): void => undefined

/** Nothing comes of them for as long as the scope is open: a listener stands in for what is done by default. */
export const ignored: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => unwanted.forEach((signal) => process.on(signal, nothing))),
  () => Effect.sync(() => unwanted.forEach((signal) => process.off(signal, nothing)))
)
