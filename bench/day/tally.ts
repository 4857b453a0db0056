/**
 * What is counted over a day: requests at the token endpoint by the second, and the calls that did not get a header at
 * once.
 */

/**
 * What the identity had when the call came: a token that is good (not in its last forty seconds), one that ran out while
 * it was in use, or none: new, forgotten since, or the connector is new.
 */
export type TokenThen = "good" | "ran out" | "none"

export interface Trouble {
  /** Second of the day in which the call came. */
  readonly second: number
  readonly waitedMillis: number
  readonly failed: boolean
  readonly token: TokenThen
}

/** Seconds that a token lasts, and of those the last ones, in which it is no good: Azure refuses it. */
export const lifetime = 3_600
const unusable = 40

export class Tally {
  readonly requests: Uint32Array
  readonly troubles: Array<Trouble> = []
  calls = 0
  readonly #goodUntil: Float64Array
  /** When a call last found a good token. */
  readonly #lastServed: Float64Array

  constructor(identities: number, seconds: number) {
    this.requests = new Uint32Array(seconds)
    this.#goodUntil = new Float64Array(identities)
    this.#lastServed = new Float64Array(identities)
    this.restart()
  }

  /** A request arrived at the endpoint. */
  request(millis: number): void {
    const second = Math.floor(millis / 1000)
    if (second < this.requests.length) this.requests[second]! += 1
  }

  /** The endpoint gave the identity a token. */
  granted(identity: number, millis: number): void {
    this.#goodUntil[identity] = millis + (lifetime - unusable) * 1000
  }

  /** A call came. */
  called(identity: number, millis: number): TokenThen {
    this.calls += 1
    const goodUntil = this.#goodUntil[identity]!
    if (millis < goodUntil) {
      this.#lastServed[identity] = millis
      return "good"
    }
    return this.#lastServed[identity]! > goodUntil - 300_000 ? "ran out" : "none"
  }

  /** It had to wait, or failed; one that did neither leaves no trace. */
  ended(came: number, ends: number, failed: boolean, token: TokenThen): void {
    if (!failed && ends === came) return
    this.troubles.push({ second: Math.floor(came / 1000), waitedMillis: ends - came, failed, token })
  }

  /** Tokens are in memory. */
  restart(): void {
    this.#goodUntil.fill(-Infinity)
    this.#lastServed.fill(-Infinity)
  }
}

/** A stretch of the day, in seconds; the end is not part of it. */
export interface Phase {
  readonly name: string
  readonly from: number
  readonly to: number
}

export interface Summary {
  readonly requests: number
  readonly mean: number
  readonly largest: number
  readonly waited: Record<TokenThen, number>
  readonly failed: Record<TokenThen, number>
  readonly longestWaitMillis: number
}

export const largestOf = (requests: Uint32Array, from: number, to: number): number =>
  requests.subarray(from, to).reduce((most, count) => Math.max(most, count), 0)

export const summarise = ({ requests, troubles }: Tally, { from, to }: Omit<Phase, "name">): Summary => {
  const sum = requests.subarray(from, to).reduce((total, count) => total + count, 0)
  const during = troubles.filter(({ second }) => second >= from && second < to)
  const split = (some: ReadonlyArray<Trouble>) => {
    const count = (kind: TokenThen) => some.filter(({ token }) => token === kind).length
    return { good: count("good"), "ran out": count("ran out"), none: count("none") }
  }
  return {
    requests: sum,
    mean: sum / (to - from),
    largest: largestOf(requests, from, to),
    waited: split(during.filter(({ failed }) => !failed)),
    failed: split(during.filter(({ failed }) => failed)),
    longestWaitMillis: during.reduce((most, { waitedMillis }) => Math.max(most, waitedMillis), 0)
  }
}
