/**
 * Effect's `HttpClient` on a dispatcher of undici, in as few steps as an answer of a few kilobytes takes: it arrives whole, and
 * only a longer one is a stream. A redirect is an answer like any other. Who interrupts a request ends its connection.
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as Url from "effect/http/Url"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import { pipeArguments } from "effect/Pipeable"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { IncomingHttpHeaders } from "node:http"
import { Readable } from "node:stream"
import type { Dispatcher } from "undici"

type Fault = HttpClientError.HttpClientError

/** An answer of at most so many bytes arrives whole. */
const whole = 64 * 1024

/**
 * A client that sends by this dispatcher; `explain` may add to what a fault says. How long a request may take is its sender's
 * to say, by interruption.
 */
export const make = (dispatcher: Dispatcher, explain: (fault: Fault) => Fault): HttpClient.HttpClient =>
  HttpClient.makeWith(
    Effect.flatMapEager((request: HttpClientRequest.HttpClientRequest) =>
      Effect.callback<HttpClientResponse.HttpClientResponse, Fault>((resume) => {
        const fail = (reason: HttpClientError.HttpClientErrorReason) =>
          resume(Effect.fail(explain(new HttpClientError.HttpClientError({ reason }))))
        const url = Url.make(request.url, request.urlParams, undefined)
        if (Result.isFailure(url)) {
          return fail(new HttpClientError.InvalidUrlError({ request, cause: url.failure }))
        }
        const { body, method, headers } = request
        if (body._tag === "Stream" || body._tag === "FormData") {
          return fail(new HttpClientError.EncodeError({ request, description: "no such body is sent here" }))
        }
        const { origin, pathname, search, href } = url.success
        const exchange = new Exchange(
          (answer) => resume(Effect.succeed(new Answer(request, href, answer))),
          (cause) => fail(new HttpClientError.TransportError({ request, cause }))
        )
        dispatcher.dispatch(
          {
            method,
            headers,
            origin,
            path: `${pathname}${search}`,
            body: body._tag === "Empty" ? null : (body.body as string | Uint8Array),
            headersTimeout: 0,
            bodyTimeout: 0
          },
          exchange
        )
        return Effect.sync(() => exchange.abort(new Error("The request was interrupted")))
      })
    ),
    Effect.succeed as HttpClient.HttpClient.Preprocess<never, never>
  )

interface Received {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer | Body
}

/** What undici tells of a request, until there is an answer. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #answer: (received: Received) => void
  readonly #fail: (cause: Error) => void
  #controller: Dispatcher.DispatchController | undefined
  #ended: Error | undefined
  #status = 0
  #headers: IncomingHttpHeaders = {}
  #chunks: Array<Buffer> = []
  #size = 0
  #body: Body | undefined

  constructor(answer: (received: Received) => void, fail: (cause: Error) => void) {
    this.#answer = answer
    this.#fail = fail
  }

  abort(reason: Error) {
    this.#ended = reason
    this.#controller?.abort(reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController) {
    this.#controller = controller
    if (this.#ended !== undefined) controller.abort(this.#ended)
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders) {
    if (status < 200) return
    this.#status = status
    this.#headers = headers
    // What another status says is known before its body, which may be long in coming.
    if (status !== 200 || Number(headers["content-length"]) > whole) this.#stream(controller)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer) {
    if (this.#body !== undefined) {
      if (!this.#body.push(chunk)) controller.pause()
      return
    }
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size > whole) this.#stream(controller)
  }

  onResponseEnd() {
    if (this.#body !== undefined) return void this.#body.push(null)
    const [first, ...others] = this.#chunks
    const body = first !== undefined && others.length === 0 ? first : Buffer.concat(this.#chunks)
    this.#answer({ status: this.#status, headers: withLength(this.#headers, body.length), body })
  }

  onResponseError(_: unknown, error: Error) {
    if (this.#body === undefined) this.#fail(error)
    else this.#body.destroy(error)
  }

  #stream(controller: Dispatcher.DispatchController) {
    const body = new Body(controller)
    this.#body = body
    for (const chunk of this.#chunks) body.push(chunk)
    this.#chunks = []
    this.#answer({ status: this.#status, headers: this.#headers, body })
  }
}

// A body that is no longer in chunks says its length (RFC 9112 §7.1.3).
const withLength = (headers: IncomingHttpHeaders, length: number): IncomingHttpHeaders =>
  headers["content-length"] === undefined ? { ...headers, "content-length": String(length) } : headers

/** A body on its way, no faster than it is read. */
class Body extends Readable {
  readonly #controller: Dispatcher.DispatchController
  constructor(controller: Dispatcher.DispatchController) {
    super()
    this.#controller = controller
    // Whoever reads hears of it too.
    this.on("error", () => undefined)
  }
  override _read() {
    this.#controller.resume()
  }
  override _destroy(error: Error | null, callback: (error: Error | null) => void) {
    if (!this.readableEnded) this.#controller.abort(error ?? new Error("The answer was not read to its end"))
    callback(error)
  }
}

// Where the request is given up between the head of an answer and its body, nobody else ends the connection.
const unread = new FinalizationRegistry<Body>((body) => body.destroy())

const decoder = new TextDecoder()

class Answer extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId] = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId] = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: string
  readonly status: number
  readonly headers: Headers.Headers
  readonly remoteAddress = Option.none<string>()
  readonly #body: Buffer | Body

  constructor(request: HttpClientRequest.HttpClientRequest, url: string, { status, headers, body }: Received) {
    super()
    this.request = request
    this.url = url
    this.status = status
    this.headers = Headers.fromInput(headers)
    this.#body = body
    if (body instanceof Body) unread.register(this, body)
  }

  get text() {
    return Buffer.isBuffer(this.#body) ? Effect.succeed(decoder.decode(this.#body)) : this.#web.text
  }

  get stream(): Stream.Stream<Uint8Array, Fault> {
    const body = this.#body
    if (Buffer.isBuffer(body)) return Stream.succeed(body)
    return NodeStream.fromReadable({
      evaluate: () => body,
      onError: (cause) =>
        new HttpClientError.HttpClientError({
          reason: new HttpClientError.DecodeError({ request: this.request, response: this, cause })
        })
    })
  }

  get json() {
    return this.#web.json
  }
  get urlParamsBody() {
    return this.#web.urlParamsBody
  }
  get formData() {
    return this.#web.formData
  }
  get arrayBuffer() {
    return this.#web.arrayBuffer
  }
  get cookies() {
    return this.#web.cookies
  }
  get upgrade() {
    return this.#web.upgrade
  }

  // For what this project has no use for.
  #ofWeb: HttpClientResponse.HttpClientResponse | undefined
  get #web() {
    return (this.#ofWeb ??= HttpClientResponse.fromWeb(this.request, this.#toWeb()))
  }
  #toWeb() {
    const { status, headers } = this
    const body =
      this.#body instanceof Body ? (Readable.toWeb(this.#body) as ReadableStream) : new Uint8Array(this.#body)
    return new Response(status === 204 || status === 205 || status === 304 ? null : body, { status, headers })
  }

  toJSON() {
    return HttpIncomingMessage.inspect(this, { _id: "HttpClientResponse", status: this.status })
  }
  pipe() {
    return pipeArguments(this, arguments)
  }
}
