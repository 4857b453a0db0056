/**
 * Why the token endpoint refused: the answer does not say it, but a test has to know.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { OAuthError } from "./OAuthError.ts"

/** A refused token request. */
export interface Refusal {
  /** Milliseconds since the epoch on Effect's `Clock`. */
  readonly time: number
  readonly grantType: string | undefined
  readonly clientId: string | undefined
  readonly status: number
  readonly error: string
  readonly description: string
  /** What was really wrong; not sent. */
  readonly reason: string
}

const kept = 1000

/** Makes an empty record that keeps the newest refusals. */
export const make = () => {
  let refusals: ReadonlyArray<Refusal> = []
  return {
    all: Effect.sync(() => refusals),
    record: (
      { description, error, reason = description, status }: OAuthError,
      request: { readonly grantType: string | undefined; readonly clientId: string | undefined }
    ) =>
      Effect.map(Clock.currentTimeMillis, (time) => {
        refusals = [...refusals, { time, ...request, status, error, description, reason }].slice(-kept)
      })
  }
}

export type Refusals = ReturnType<typeof make>
