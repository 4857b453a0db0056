/**
 * What a call asks for, read when it is needed. A request that has become a task is some ten times as large as it came,
 * and a thousand may wait.
 */
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type { Failure } from "./ConnectorError.ts"

export interface Asked<A> {
  /** It is the same until it is let go. */
  readonly read: Effect.Effect<A, Failure>
  /** Forgets it: it is read again from what the caller sent. */
  readonly letGo: () => void
}

/** What the caller sent, which is made anew when it is wanted again. */
interface Sent<M> {
  readonly message: M
  readonly letGo: () => void
}

export const make = <M, A>(sent: Sent<M>, of: (message: M) => Result.Result<A, Failure>): Asked<A> => {
  let asked: Result.Result<A, Failure> | undefined
  return {
    read: Effect.suspend(() => Effect.fromResult((asked ??= of(sent.message)))),
    letGo: () => {
      asked = undefined
      sent.letGo()
    }
  }
}
