/**
 * A token endpoint in memory, behind an HTTP client: it takes a moment, gives everybody a token, and has an outage.
 */
import { Clock, Effect, Random } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { lifetime, type Tally } from "./tally.ts"
import type { Day } from "./workload.ts"

export type Outage = "answers 503" | "hangs"

/** Milliseconds that an answer takes, at least and at most. */
export const answerMillis = [100, 300] as const

export const clientSecret = "secret"
export const clientIdOf = (identity: number): string => `client-${identity}`

export const makeEndpoint = (day: Day, outage: Outage, tally: Tally): HttpClient.HttpClient => {
  const identityOf = new Map(
    Array.from({ length: day.identities }, (_, identity) => [
      `Basic ${Buffer.from(`${clientIdOf(identity)}:${clientSecret}`).toString("base64")}`,
      identity
    ])
  )
  const body = JSON.stringify({ access_token: "token", token_type: "Bearer", expires_in: lifetime })

  return HttpClient.make(
    Effect.fnUntraced(function* (request) {
      const at = yield* Clock.currentTimeMillis
      tally.request(at)
      if (at >= day.outage.from * 1000 && at < day.outage.to * 1000) {
        if (outage === "hangs") return yield* Effect.never
        yield* Effect.sleep(20)
        return HttpClientResponse.fromWeb(request, new Response("", { status: 503 }))
      }
      yield* Effect.sleep(yield* Random.nextBetween(...answerMillis))
      const identity = identityOf.get(request.headers["authorization"] ?? "")
      if (identity === undefined) return HttpClientResponse.fromWeb(request, new Response("", { status: 401 }))
      tally.granted(identity, yield* Clock.currentTimeMillis)
      return HttpClientResponse.fromWeb(request, new Response(body))
    })
  )
}
