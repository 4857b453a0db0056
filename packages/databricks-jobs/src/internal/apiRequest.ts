/**
 * One request to the Jobs API: sent once, its answer read up to a limit, within a time.
 */
import * as BoundedBody from "@flyte-databricks/databricks-auth/http/BoundedBody"
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as RetryAfter from "@flyte-databricks/databricks-auth/http/RetryAfter"
import type { AuthHeader } from "@flyte-databricks/databricks-auth/Credential"
import * as TransportFault from "@flyte-databricks/databricks-auth/http/TransportFault"
import * as Watched from "@flyte-databricks/databricks-auth/http/Watched"
import { userAgent } from "@flyte-databricks/databricks-auth/http/UserAgent"
import { headers } from "@flyte-databricks/databricks-auth/WorkspaceHost"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import type * as Semaphore from "effect/Semaphore"
import { JobsError, JobsUnavailable } from "../JobsError.ts"
import type { Answer, Asked } from "./apiAnswer.ts"

/** How many permits a body takes while it is read. */
export const permitsOf = (bodyLimit: number): number => Math.ceil(bodyLimit / (1024 * 1024))

/** How many MiB the large answers that are being read may have, all together. */
export const room = 16

/**
 * Sends a request with a header; that there is an answer does not mean that it is a good one. Large answers share the
 * room, in which a permit is for a MiB. Who is bounded gives up by itself, and needs no time limit here.
 */
export const make = (
  client: HttpClient.HttpClient,
  timeout: Duration.Duration,
  bodyLimit: number,
  room: Semaphore.Semaphore
) => {
  const permits = room.takeScoped(permitsOf(bodyLimit))
  return (
    request: HttpClientRequest.HttpClientRequest,
    asked: Asked,
    { authorization }: AuthHeader
  ): Effect.Effect<Answer, JobsError> => {
    const answer = HttpClientRequest.setHeaders(request, {
      ...headers(asked.identity.instance),
      "user-agent": userAgent(asked.identity.authType),
      authorization: Redacted.value(authorization)
    }).pipe(
      client.execute,
      Effect.flatMap((response) => readAnswer(response, asked, BoundedBody.text(response, bodyLimit, permits))),
      // undici follows no redirect by itself; fetch would.
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.catchTag("HttpClientError", (error) =>
        Effect.fail(
          unavailable(
            asked,
            printable(TransportFault.describe(error), { maxLength: 200 }),
            !TransportFault.neverConnected(error)
          )
        )
      )
    )
    const late = Effect.suspend(() =>
      Effect.fail(unavailable(asked, `nothing within ${Duration.format(timeout)}`, true))
    )
    return Watched.within(answer, Duration.toMillis(timeout), late)
  }
}

const readAnswer = (
  { headers, status }: HttpClientResponse.HttpClientResponse,
  asked: Asked,
  text: ReturnType<typeof BoundedBody.text>
): Effect.Effect<Answer, HttpClientError.HttpClientError> =>
  Effect.catchTag(text, "BodyTooLarge", (tooLarge) => Effect.succeed(tooLarge)).pipe(
    Effect.flatMap((body) =>
      Effect.map(Clock.currentTimeMillis, (now) => ({
        asked,
        status,
        body,
        headers,
        retryAfterMillis: RetryAfter.millis(headers["retry-after"], now)
      }))
    )
  )

const unavailable = ({ operation, identity }: Asked, detail: string, answerLost: boolean): JobsError =>
  new JobsError({
    reason: new JobsUnavailable({
      operation,
      instance: identity.instance,
      detail,
      ...(answerLost ? { answerLost } : {})
    })
  })
