/**
 * One request to the Jobs API: sent once, its answer read up to a limit, within a time.
 */
import * as BoundedBody from "@flyte-databricks/databricks-auth/http/BoundedBody"
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as RetryAfter from "@flyte-databricks/databricks-auth/http/RetryAfter"
import type { AuthHeader } from "@flyte-databricks/databricks-auth/Credential"
import * as TransportFault from "@flyte-databricks/databricks-auth/http/TransportFault"
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
 * room, in which a permit is for a MiB.
 */
export const make =
  (client: HttpClient.HttpClient, timeout: Duration.Duration, bodyLimit: number, room: Semaphore.Semaphore) =>
  (
    request: HttpClientRequest.HttpClientRequest,
    asked: Asked,
    { authorization }: AuthHeader
  ): Effect.Effect<Answer, JobsError> =>
    HttpClientRequest.setHeaders(request, {
      ...headers(asked.identity.instance),
      "user-agent": userAgent(asked.identity.authType),
      authorization: Redacted.value(authorization)
    }).pipe(
      client.execute,
      Effect.flatMap((response) => readAnswer(response, bodyLimit, room, asked)),
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
      ),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(unavailable(asked, `nothing within ${Duration.format(timeout)}`, true))
      })
    )

const readAnswer = Effect.fnUntraced(function* (
  response: HttpClientResponse.HttpClientResponse,
  bodyLimit: number,
  room: Semaphore.Semaphore,
  asked: Asked
): Effect.fn.Return<Answer, HttpClientError.HttpClientError> {
  const { status, headers } = response
  const body = yield* BoundedBody.text(response, bodyLimit, room.takeScoped(permitsOf(bodyLimit))).pipe(
    Effect.catchTag("BodyTooLarge", Effect.succeed),
    Effect.scoped
  )
  const now = yield* Clock.currentTimeMillis
  return {
    asked,
    status,
    body,
    headers,
    retryAfterMillis: RetryAfter.millis(headers["retry-after"], now)
  }
})

const unavailable = ({ operation, identity }: Asked, detail: string, answerLost: boolean): JobsError =>
  new JobsError({
    reason: new JobsUnavailable({
      operation,
      instance: identity.instance,
      detail,
      ...(answerLost ? { answerLost } : {})
    })
  })
