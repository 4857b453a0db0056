/**
 * Response bodies of servers we do not run, read up to a limit: a body without end must not fill the memory.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
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

/** A body larger than this is a large one. */
const large = 64 * 1024

/**
 * The body as text. Reading stops at the limit, and the connection with it. Of a large one, the rest is read after `room`
 * was made, which lasts until all is read: many of them at once may be more than the memory holds.
 */
export const text = (
  response: HttpClientResponse.HttpClientResponse,
  limit: number,
  room: Effect.Effect<void, never, Scope.Scope> = Effect.void
): Effect.Effect<string, BodyTooLarge | HttpClientError.HttpClientError> =>
  // A stream costs more than the rest of a request, and a body that says its length cannot be longer. For a large one it
  // is the other way round: its bytes need not be there as long as its text.
  lengthOf(response) <= Math.min(limit, large) ? response.text : Effect.scoped(inPieces(response, limit, room))

const inPieces = Effect.fnUntraced(function* (
  response: HttpClientResponse.HttpClientResponse,
  limit: number,
  room: Effect.Effect<void, never, Scope.Scope>
) {
  const decoder = new TextDecoder()
  let body = ""
  let size = 0
  yield* Stream.runForEach(response.stream, (chunk) => {
    const wasSmall = size <= large
    size += chunk.byteLength
    body += decoder.decode(chunk, { stream: true })
    if (size > limit) return Effect.fail(new BodyTooLarge({ limit }))
    return wasSmall && size > large ? room : Effect.void
  }).pipe(
    // Where there is no body, Fetch has no stream: the text is empty.
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
