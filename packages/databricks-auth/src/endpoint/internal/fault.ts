/**
 * What a try met with that may pass.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type { TokenEndpointUnavailable } from "../../AuthError.ts"
import * as Answer from "../../http/Answer.ts"
import { printable } from "../../http/ForeignText.ts"
import * as RetryAfter from "../../http/RetryAfter.ts"
import * as TransportFault from "../../http/TransportFault.ts"

export type Fault = Pick<TokenEndpointUnavailable, "detail" | "status" | "retryAfterMillis">

/** The fault that an answer's status tells of; none where it is an answer. */
export const ofAnswer = ({
  headers,
  status
}: HttpClientResponse.HttpClientResponse): Effect.Effect<Option.Option<Fault>> =>
  Answer.mayPass(status)
    ? Effect.map(Clock.currentTimeMillis, (now) => {
        const retryAfterMillis = RetryAfter.millis(headers["retry-after"], now)
        return Option.some({
          detail: `status ${status}`,
          status,
          ...(retryAfterMillis === undefined ? {} : { retryAfterMillis })
        })
      })
    : Effect.succeedNone

/** The fault of a request that got no answer. */
export const ofTransport = (error: HttpClientError.HttpClientError): Fault => ({
  detail: printable(TransportFault.describe(error), { maxLength: 300 })
})
