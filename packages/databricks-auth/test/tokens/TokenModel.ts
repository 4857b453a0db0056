/**
 * What a cache has to do for one credential, as simply as it can be said: no fibers, no clock, no other credential. It
 * is told of calls, of requests and of the time, and says what must come of each.
 */
const buffer = 40_000
const lead = 1_200_000

interface Token {
  readonly value: string
  readonly secret: number
  readonly refreshAt: number
  readonly urgentAt: number
  readonly usableUntil: number
}

type State =
  | { readonly is: "empty" }
  | { readonly is: "fetching" }
  | {
      readonly is: "fresh" | "refreshing"
      readonly token: Token
      readonly refreshAt: number
      readonly failures: number
    }
  | { readonly is: "failed"; readonly until: number }

export class TokenModel {
  state: State = { is: "empty" }
  /** How many requests must have been made. */
  requests = 0
  /** What the next request must be told: whether a token was refused before. */
  refused = false
  /** Whether the request under way was begun when nobody waited for it. */
  inBackground = false
  readonly dropped = new Set<string>()
  #asked = Number.NaN
  #second = false
  #outdated: ((value: string, secret: number) => boolean) | undefined

  /** A call comes: it must get this token at once, hear the failure that is known, or wait. */
  call(now: number, mayRefresh: (token: Token) => boolean): { readonly gets: string } | "the failure" | "waits" {
    const { state } = this
    if ((state.is === "fresh" || state.is === "refreshing") && now < state.token.usableUntil) {
      const isDue = state.is === "fresh" && now >= state.refreshAt
      if (isDue && (now >= state.token.urgentAt || mayRefresh(state.token))) {
        this.state = { ...state, is: "refreshing" }
        this.#begin(now, true)
      }
      return { gets: state.token.value }
    }
    if (state.is === "failed" && now < state.until) return "the failure"
    if (state.is !== "fetching" && state.is !== "refreshing") this.#begin(now, false)
    this.state = { is: "fetching" }
    return "waits"
  }

  /** A request succeeds; returns whether its token is the one that callers get. */
  succeed(now: number, value: string, secret: number, lifetime: number, chance: number): boolean {
    const isOutdated = !this.#second && this.#outdated?.(value, secret) === true
    if (isOutdated) {
      this.dropped.add(value)
      this.#again(now, true)
      return false
    }
    const use = lifetime >= 2 * buffer ? lifetime - buffer : Math.min(lifetime, buffer)
    const ahead = Math.min(use / 2, lead) * (1 + 0.4 * chance)
    const usableUntil = this.#asked + use
    const token = { value, secret, usableUntil, refreshAt: usableUntil - ahead, urgentAt: usableUntil - ahead / 8 }
    this.state = { is: "fresh", token, refreshAt: token.refreshAt, failures: 0 }
    return true
  }

  /** A request fails, with an error for callers or a defect. */
  fail(now: number, kind: "error" | "defect", chance: number): void {
    const { state } = this
    if (state.is === "refreshing" && now < state.token.usableUntil) {
      const failures = state.failures + 1
      const left = state.token.usableUntil - now
      const pause = Math.round(Math.min(30_000 * 2 ** (failures - 1), 120_000, left / 4) * (0.8 + 0.4 * chance))
      const refreshAt = Math.min(now + Math.max(1_000, pause), state.token.usableUntil)
      this.state = { is: "fresh", token: state.token, refreshAt, failures }
    } else if (state.is === "fetching" && this.inBackground) {
      this.#again(now, false)
    } else {
      this.state = kind === "error" ? { is: "failed", until: now + 1_000 } : { is: "empty" }
    }
  }

  /** Databricks refuses a token. */
  refuse(value: string): void {
    this.#drop(
      (token) => token.value === value,
      (next) => next === value
    )
  }

  /** The credential is another one now. */
  replace(secret: number): void {
    const isOther = (_: string, builtFrom: number) => builtFrom !== secret
    if (this.state.is === "fetching") this.#outdated = isOther
    this.#drop((token) => token.secret !== secret, isOther)
  }

  /** The state, as the cache names it. */
  name(now: number): string {
    const { state } = this
    if (state.is === "fresh") return now < state.token.usableUntil ? "fresh" : "expired"
    if (state.is === "refreshing") return now < state.token.usableUntil ? "refreshing" : "fetching"
    if (state.is === "failed") return now < state.until ? "failed" : "empty"
    return state.is
  }

  #begin(now: number, inBackground: boolean): void {
    this.requests += 1
    this.#asked = now
    this.inBackground = inBackground
    this.#second = false
    this.#outdated = undefined
  }

  #again(now: number, becauseOutdated: boolean): void {
    const second = this.#second || becauseOutdated
    this.#begin(now, false)
    this.#second = second
  }

  #drop(when: (token: Token) => boolean, outdated: (value: string, secret: number) => boolean): void {
    const { state } = this
    if ((state.is !== "fresh" && state.is !== "refreshing") || !when(state.token)) return
    this.refused = true
    this.dropped.add(state.token.value)
    this.state = { is: state.is === "fresh" ? "empty" : "fetching" }
    this.#outdated = outdated
  }
}
