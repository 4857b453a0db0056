/**
 * How often a workspace is asked: a bucket of tokens, of which each request takes one. It keeps to the workspace's
 * published limit, whichever second one looks at, and learns where that is less (other replicas and other programs share
 * it): a 429 halves the rate, and then it grows again, bit by bit (AIMD). While `Retry-After` lasts, one request a second
 * tries whether it is over.
 */

/** A bucket. Times are in milliseconds. */
export interface Bucket {
  /** Takes a token, if there is one. */
  readonly take: (now: number) => boolean
  /** Puts back a token with which nothing was done. */
  readonly giveBack: () => void
  /** When there is a token to take. */
  readonly readyAt: (now: number) => number
  /** How long it takes until there were so many, at least. */
  readonly millisFor: (count: number, now: number) => number
  /** A request that was begun then was answered 429, and told to wait so long. */
  readonly limited: (begunAt: number, now: number, retryAfterMillis: number) => void
  /** A request that was begun then was answered. */
  readonly answered: (begunAt: number, now: number) => void
  /** Tokens a second. */
  readonly rate: (now: number) => number
}

/** How long the rate takes from nothing to the whole. */
const recovery = 20_000

/** A workspace that asks for more is asked sooner all the same. */
const longestWait = 60_000

/** What arithmetic with fractions loses. */
const tiny = 1e-6

/** A bucket for so many requests a second. */
export const make = (perSecond: number, start: number): Bucket => {
  // A full bucket and what runs into it within a second are the limit together.
  const capacity = Math.max(1, perSecond / 10)
  const most = Math.max(perSecond / 2, perSecond - capacity) / 1000
  const least = Math.min(most, 1 / 1000)
  const growth = most / recovery
  let tokens = capacity
  let rate = most
  let at = start
  let cutAt = -Infinity
  let slowUntil = -Infinity

  const refill = (now: number): void => {
    if (now <= at) return
    if (at < slowUntil) {
      const until = Math.min(now, slowUntil)
      tokens = Math.min(capacity, tokens + (until - at) * least)
      at = until
    }
    tokens = Math.min(capacity, tokens + (now - at) * rate)
    rate = Math.min(most, rate + (now - at) * growth)
    at = now
  }

  const readyAt = (now: number): number => {
    refill(now)
    const missing = 1 - tokens
    if (missing <= tiny) return now
    const slow = Math.max(0, slowUntil - now)
    const slowly = missing / least
    return Math.ceil(now + (slowly <= slow ? slowly : slow + (missing - slow * least) / rate))
  }

  return {
    readyAt,
    take: (now) => {
      if (readyAt(now) > now) return false
      tokens = Math.max(0, tokens - 1)
      return true
    },
    giveBack: () => {
      tokens = Math.min(capacity, tokens + 1)
    },
    millisFor: (count, now) => {
      refill(now)
      const missing = count - tokens
      if (missing <= 0) return 0
      // What grows, and without the wait that was asked for, which may be over sooner.
      return rate < most ? (Math.sqrt(rate * rate + 2 * growth * missing) - rate) / growth : missing / most
    },
    limited: (begunAt, now, retryAfterMillis) => {
      refill(now)
      tokens = 0
      slowUntil = Math.max(slowUntil, now + Math.min(retryAfterMillis, longestWait))
      // What went out before the rate was cut says nothing of the rate since.
      if (begunAt < cutAt) return
      rate = Math.max(least, rate / 2)
      cutAt = now
    },
    answered: (begunAt, now) => {
      if (begunAt >= cutAt && slowUntil > now) {
        refill(now)
        slowUntil = now
      }
    },
    rate: (now) => {
      refill(now)
      return 1000 * (now < slowUntil ? least : rate)
    }
  }
}
