/**
 * The same day under the policies of others, as a model: when each asks for a token, not how it does so. None of them
 * has a circuit breaker, and each keeps one token per identity.
 */
import { Effect, Random } from "effect"
import { answerMillis } from "./endpoint.ts"
import { lifetime, Tally } from "./tally.ts"
import { type Day, makeWorkload } from "./workload.ts"

export interface Policy {
  readonly name: string
  /** Seconds before its end at which a token is no longer handed out. */
  readonly margin: number
  /** Seconds before its end at which a call renews it in the background, without jitter; or that is not done. */
  readonly lead: number | undefined
  /** Callers who come while a request is under way wait for it, and do not make their own. */
  readonly singleFlight: boolean
  /** Seconds after which each try of a call is made. */
  readonly tries: ReadonlyArray<number>
}

// From a failed renewal to the next, where there is one.
const retryRenewal = 60

export const policies: ReadonlyArray<Policy> = [
  {
    name: "Databricks SDKs for Go, Python, Java",
    margin: 40,
    lead: Math.min(lifetime / 2, 1200),
    singleFlight: true,
    tries: [0]
  },
  { name: "Databricks SDK for JavaScript", margin: 40, lead: undefined, singleFlight: false, tries: [0] },
  { name: "Flyte's Python connector", margin: 60, lead: undefined, singleFlight: false, tries: [0, 0.2, 0.6] }
]

interface Held {
  expiresAt: number
  /** The answer to the request under way comes then. */
  comesAt: number
  nextRenewal: number
}

export const model = (policy: Policy, day: Day, seed: string, stepMillis = 200): Effect.Effect<Tally> =>
  Effect.map(Random.Random, (random) => {
    const chance = () => random.nextDoubleUnsafe()
    const workload = makeWorkload(day, stepMillis, chance)
    const tally = new Tally(day.identities, day.seconds)
    const nothing = (): Held => ({ expiresAt: -Infinity, comesAt: Infinity, nextRenewal: -Infinity })
    let held = Array.from({ length: day.identities }, nothing)
    const isDown = (at: number) => at >= day.outage.from * 1000 && at < day.outage.to * 1000
    const answerAt = (at: number) => at + answerMillis[0] + (answerMillis[1] - answerMillis[0]) * chance()

    const call = (identity: number, at: number) => {
      const own = held[identity]!
      if (own.comesAt <= at) {
        tally.granted(identity, own.comesAt)
        Object.assign(own, { expiresAt: own.comesAt + lifetime * 1000, comesAt: Infinity })
      }
      const token = tally.called(identity, at)
      const request = () => {
        tally.request(at)
        own.comesAt = Math.min(own.comesAt, answerAt(at))
      }
      if (at < own.expiresAt - policy.margin * 1000) {
        const isDue = policy.lead !== undefined && at >= own.expiresAt - policy.lead * 1000 && at >= own.nextRenewal
        if (!isDue || own.comesAt < Infinity) return
        if (!isDown(at)) return request()
        tally.request(at)
        own.nextRenewal = at + retryRenewal * 1000
        return
      }
      if (policy.singleFlight && own.comesAt < Infinity) return tally.ended(at, own.comesAt, false, token)
      if (!isDown(at)) {
        request()
        return tally.ended(at, own.comesAt, false, token)
      }
      policy.tries.forEach((after) => tally.request(at + after * 1000))
      tally.ended(at, at + (policy.tries.at(-1) ?? 0) * 1000, true, token)
    }

    for (let step = 0; step < (day.seconds * 1000) / stepMillis; step++) {
      const at = step * stepMillis
      if (at === (day.restart ?? Number.NaN) * 1000) {
        held = held.map(nothing)
        tally.restart()
      }
      for (const identity of workload.callers(step)) call(identity, at)
    }
    return tally
  }).pipe(Random.withSeed(seed))
