/**
 * Response bodies of servers we do not run, read up to a limit: a body without end must not fill the memory.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"

/**
 * The body is larger than the limit.
 */
export class BodyTooLarge extends Data.TaggedError("BodyTooLarge")<{ readonly limit: number }> {
  override get message() {
    return `the body is larger than ${this.limit} bytes`
  }
}

/**
 * The body as text. Reading stops at the limit, and the connection with it.
 */
export const text = Effect.fnUntraced(function* (
  response: HttpClientResponse.HttpClientResponse,
  limit: number
): Effect.fn.Return<string, BodyTooLarge | HttpClientError.HttpClientError> {
  // A stream costs more than the rest of a request, and a body that says its length cannot be longer.
  if (lengthOf(response) <= limit) return yield* response.text
  const decoder = new TextDecoder()
  let body = ""
  let size = 0
  yield* Stream.runForEach(response.stream, (chunk) => {
    size += chunk.byteLength
    body += decoder.decode(chunk, { stream: true })
    return size > limit ? Effect.fail(new BodyTooLarge({ limit })) : Effect.void
  }).pipe(
    // Fetch has no stream where there is no body, which is as good an empty text as any.
    Effect.catchReason("HttpClientError", "EmptyBodyError", () => Effect.void)
  )
  return body + decoder.decode()
})

// What is decompressed is longer than what was announced.
const lengthOf = ({ headers }: HttpClientResponse.HttpClientResponse): number => {
  const announced = headers["content-length"] ?? ""
  return /^\d+$/.test(announced) && headers["content-encoding"] === undefined ? Number(announced) : Infinity
}

/**
 * Reads a body that nobody wants, so that its connection is free for the next request. One that is long or slow in
 * coming is cut off, and its connection with it.
 */
export const discard = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  text(response, 64 * 1024).pipe(Effect.timeoutOption("250 millis"), Effect.ignore)
