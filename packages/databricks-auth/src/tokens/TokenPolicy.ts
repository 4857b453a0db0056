/**
 * When a token is used, renewed and given up: arithmetic in milliseconds, with the clock's and the dice's values given.
 *
 *     issued                      refresh          urgent  usableUntil   expires
 *       ├───────────────────────────┼────────────────┼─────────┼────────────┤
 *       │ handed out at once        │ handed out at once, one  │ callers    │
 *       │                           │ refresh in the background│ wait       │
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import type { AuthError } from "../AuthError.ts"

/**
 * What a deployment, or a test, may want otherwise.
 */
export interface Policy {
  /** How long before its end a token is no longer used. Azure refuses tokens with 30 seconds or less left. */
  readonly expiryBuffer: Duration.Duration
  /** How long before the end of its use a token is renewed, at least: half of its use where that is less. */
  readonly refreshLead: Duration.Duration
  /** How many tokens are kept; the least recently used one makes room. */
  readonly capacity: number
  /** How long a token is kept that nobody asks for. */
  readonly idleTimeToLive: Duration.Duration
  /** For how long callers hear of a failure again before the next one asks. */
  readonly failureTimeToLive: { readonly unavailable: Duration.Duration; readonly refused: Duration.Duration }
}

/**
 * What holds where nothing else is said.
 */
export const defaults: Policy = {
  expiryBuffer: Duration.seconds(40),
  refreshLead: Duration.minutes(20),
  capacity: 10_000,
  idleTimeToLive: Duration.hours(1),
  failureTimeToLive: { unavailable: Duration.seconds(1), refused: Duration.seconds(5) }
}

/**
 * The policy of all tokens.
 */
export const TokenPolicy = Context.Reference<Policy>("@flyte-databricks/databricks-auth/tokens/TokenPolicy", {
  defaultValue: () => defaults
})

/**
 * The moments of a token's life, in milliseconds since the epoch.
 */
export interface Times {
  /** When it was asked for. */
  readonly issuedAt: number
  /** From here on the first call that asks has it renewed. */
  readonly refreshAt: number
  /** From here on a refresh is not put off for the sake of others. */
  readonly urgentAt: number
  /** From here on it is not handed out. */
  readonly usableUntil: number
  /** When Databricks stops taking it. */
  readonly expiresAt: number
}

/**
 * Plans a token's life, which counts from when the token was asked for. A token that lives hardly longer than the buffer
 * is used until it ends, or each call would ask for another. The lead is up to two fifths longer at random, so that
 * tokens issued together are not renewed together. It is never shorter, so that each token outlasts the same outage.
 */
export const timesOf = (policy: Policy, asked: number, lifetime: number, chance: number): Times => {
  const buffer = Duration.toMillis(policy.expiryBuffer)
  const usableFor = Math.max(lifetime - buffer, Math.min(lifetime, buffer))
  const lead = Math.min(usableFor / 2, Duration.toMillis(policy.refreshLead)) * (1 + 0.4 * chance)
  const usableUntil = asked + usableFor
  return {
    issuedAt: asked,
    refreshAt: usableUntil - lead,
    urgentAt: usableUntil - lead / 8,
    usableUntil,
    expiresAt: asked + lifetime
  }
}

// SDKs of Databricks wait a minute. The tries come closer together when the time that is left does.
const firstPause = 30_000
const longestPause = 120_000
const shortestPause = 1_000

/** A fifth more or less at random, so that what failed together is not tried again together. */
const jittered = (millis: number, chance: number): number => millis * (0.8 + 0.4 * chance)

/**
 * When to try again after so many refreshes in a row have failed; at the latest when the token stops being usable.
 */
export const nextRefresh = (
  now: number,
  { usableUntil }: Times,
  failures: number,
  retryAfterMillis: number,
  chance: number
): number => {
  const pause = Math.min(firstPause * 2 ** (failures - 1), longestPause, (usableUntil - now) / 4)
  const wait = Math.max(Math.round(jittered(pause, chance)), shortestPause, retryAfterMillis)
  return Math.min(now + wait, usableUntil)
}

/**
 * For how long a failure is repeated to whoever asks, before another request is made.
 */
export const failureLasts = ({ failureTimeToLive }: Policy, error: AuthError): number =>
  error.retryable
    ? Math.max(Duration.toMillis(failureTimeToLive.unavailable), Math.min(error.retryAfterMillis, longestPause))
    : Duration.toMillis(failureTimeToLive.refused)

// The rate that renews every token once within its lead, and a fifth more.
const fullRate = 1.2
// A hundredth of the lead per crowded second: after about 90 s only urgent tokens are let in.
const barStep = 0.01

/**
 * Spreads renewals: tokens of one age, or those that have waited for an endpoint to come back, do not all ask at once. It
 * limits how many renewals begin in a second. While more are due than may begin, a bar rises: a token is let in once it
 * has waited for that share of its lead. So the longest wait goes first, and no queue holds tokens nobody asks for.
 */
export const makePacer = () => {
  let second = Number.NaN
  let begun = 0
  let isCrowded = false
  let bar = 0
  const turn = (now: number): void => {
    const current = Math.floor(now / 1000)
    if (current === second) return
    bar = isCrowded ? bar + barStep : Math.max(0, bar - barStep)
    second = current
    begun = 0
    isCrowded = false
  }
  return {
    /** Whether the renewal of a token that is due may begin now. */
    allows: (
      now: number,
      tokens: number,
      { refreshAt, usableUntil }: Pick<Times, "refreshAt" | "usableUntil">
    ): boolean => {
      turn(now)
      const lead = usableUntil - refreshAt
      if (now - refreshAt < bar * lead) return false
      const isFull = begun >= Math.ceil((fullRate * tokens) / (lead / 1000))
      isCrowded ||= isFull
      return !isFull
    },
    /** Counts a request that begins. Those that callers wait for count too: renewals make room for them. */
    count: (now: number): void => {
      turn(now)
      begun += 1
    }
  }
}
