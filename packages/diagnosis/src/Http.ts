/**
 * Requests of a diagnosis: one try, a short time, a small body, and no redirect.
 */
import * as Answer from "@flyte-databricks/databricks-auth/http/Answer"
import * as BoundedBody from "@flyte-databricks/databricks-auth/http/BoundedBody"
import * as ForeignText from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as TransportFault from "@flyte-databricks/databricks-auth/http/TransportFault"
import { userAgent } from "@flyte-databricks/databricks-auth/http/UserAgent"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Data from "effect/Data"

/** Something answered. */
export interface Response {
  /** Its status code. */
  readonly status: number
  /** Its headers, their names in lower case. */
  readonly headers: Headers.Headers
  /** Its whole body, at most 1 MiB. */
  readonly body: string
  /** What it is, in a few words and without secrets. */
  readonly said: string
}

/** Nothing answered, or not to the end. */
export class Unanswered extends Data.TaggedError("Unanswered")<{
  /** What was asked for. */
  readonly url: string
  /** What kept the answer away, without secrets. */
  readonly fault: string
}> {
  override get message() {
    return `${this.url}: ${this.fault}`
  }
}

const bodyLimit = 1024 * 1024

/** How long an answer may take. */
export const RequestTimeout = Context.Reference<Duration.Input>("@flyte-databricks/diagnosis/Http/RequestTimeout", {
  defaultValue: () => "6 seconds"
})

/** Asks for a URL, with a header where there is one. */
export const get = Effect.fnUntraced(function* (
  url: string,
  authorization?: Redacted.Redacted<string>,
  headers: Readonly<Record<string, string>> = { "user-agent": userAgent() }
): Effect.fn.Return<Response, Unanswered, HttpClient.HttpClient> {
  const timeout = yield* RequestTimeout
  const line = (text: string) => ForeignText.printable(text, { maxLength: 300 })
  const request = HttpClientRequest.get(url).pipe(
    // An API server gives its keys under their own type alone.
    HttpClientRequest.accept("application/json, application/jwk-set+json"),
    HttpClientRequest.setHeaders(headers),
    authorization === undefined
      ? (request) => request
      : HttpClientRequest.setHeader("authorization", Redacted.value(authorization))
  )
  return yield* HttpClient.execute(request).pipe(
    Effect.flatMap((response) =>
      Effect.map(BoundedBody.text(response, bodyLimit), (body) => ({
        status: response.status,
        headers: response.headers,
        body,
        said: line(describe(response.status, response.headers, body))
      }))
    ),
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
    Effect.mapError(
      (error) =>
        new Unanswered({
          url,
          fault: line(error._tag === "BodyTooLarge" ? error.message : TransportFault.describe(error))
        })
    ),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () =>
        Effect.fail(
          new Unanswered({ url, fault: `nothing within ${Duration.format(Duration.fromInputUnsafe(timeout))}` })
        )
    })
  )
})

const ErrorBody = Schema.fromJsonString(
  Schema.Struct({
    error_code: Schema.optional(Schema.Union([Schema.String, Schema.Finite])),
    message: Schema.optional(Schema.String)
  })
)

const describe = (status: number, headers: Headers.Headers, body: string): string => {
  if (Answer.isRedirect(status)) return `${status}: ${Answer.describeRedirect(headers)}`
  const error = Schema.decodeUnknownOption(ErrorBody)(body)
  const words = Option.map(error, ({ error_code, message }) =>
    [error_code, message]
      .filter((part) => part !== undefined && String(part) !== String(status))
      .join(": ")
      .replace(/\.$/, "")
  )
  return `${status}: ${Option.getOrElse(words, () => Answer.describeBody(body))}`
}
