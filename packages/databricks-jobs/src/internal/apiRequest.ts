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
import type { Identity } from "@flyte-databricks/databricks-auth/Identity"
import { baseUrl, headers as workspaceHeaders } from "@flyte-databricks/databricks-auth/WorkspaceHost"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpBody from "effect/http/HttpBody"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import type * as Semaphore from "effect/Semaphore"
import { JobsError, JobsUnavailable } from "../JobsError.ts"
import type { RunId } from "../RunId.ts"
import type { Answer, Asked } from "./apiAnswer.ts"

/** How many permits a body takes while it is read. */
export const permitsOf = (bodyLimit: number): number => Math.ceil(bodyLimit / (1024 * 1024))

/** How many MiB the large answers that are being read may have, all together. */
export const room = 16

/** What is asked of the Jobs API: by POST where it has a body, else by GET. */
export interface Request {
  /** As in "could not be asked to …". */
  readonly operation: string
  readonly path: string
  readonly runId?: RunId
  readonly body?: object
}

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
  const limit = Duration.toMillis(timeout)
  return (
    request: Request,
    identity: Identity,
    header: AuthHeader,
    givesUpAfter = Infinity
  ): Effect.Effect<Answer, JobsError> => {
    const asked: Asked = { operation: request.operation, identity, runId: request.runId }
    const answer = Effect.matchEffect(client.execute(toHttp(request, identity, header)), {
      onFailure: (error) => Effect.fail(lost(asked, error)),
      onSuccess: (response) => readAnswer(response, asked, BoundedBody.text(response, bodyLimit, permits))
    }).pipe(
      // undici follows no redirect by itself; fetch would.
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" })
    )
    if (givesUpAfter <= limit) return answer
    const late = Effect.suspend(() =>
      Effect.fail(unavailable(asked, `nothing within ${Duration.format(timeout)}`, true))
    )
    return Watched.within(answer, limit, late)
  }
}

const toHttp = (
  { path, runId, body }: Request,
  { instance, authType }: Identity,
  { authorization }: AuthHeader
): HttpClientRequest.HttpClientRequest => {
  const url = `${baseUrl(instance)}/api/2.1/jobs/${path}`
  const headers = {
    accept: "application/json",
    ...workspaceHeaders(instance),
    "user-agent": userAgent(authType),
    authorization: Redacted.value(authorization)
  }
  return body === undefined
    ? HttpClientRequest.get(url, { headers, urlParams: { run_id: runId } })
    : HttpClientRequest.post(url, { headers, body: HttpBody.text(JSON.stringify(body), "application/json") })
}

// Eager: a small body is there with its head, and nothing is left to wait for.
const readAnswer = (
  { headers, status }: HttpClientResponse.HttpClientResponse,
  asked: Asked,
  text: ReturnType<typeof BoundedBody.text>
): Effect.Effect<Answer, JobsError> => {
  const body = Effect.catchEager(text, (error) =>
    error._tag === "BodyTooLarge" ? Effect.succeed(error) : Effect.fail(lost(asked, error))
  )
  return Effect.flatMapEager(body, (body) =>
    Effect.mapEager(retryAfter(headers["retry-after"]), (retryAfterMillis) => ({
      asked,
      status,
      body,
      headers,
      retryAfterMillis
    }))
  )
}

const retryAfter = (header: string | undefined): Effect.Effect<number | undefined> =>
  header === undefined ? Effect.undefined : Effect.map(Clock.currentTimeMillis, (now) => RetryAfter.millis(header, now))

const lost = (asked: Asked, error: HttpClientError.HttpClientError): JobsError =>
  unavailable(
    asked,
    printable(TransportFault.describe(error), { maxLength: 200 }),
    !TransportFault.neverConnected(error)
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
