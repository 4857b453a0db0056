import { WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { Clock, Effect, Layer, Ref, Result } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest, HttpClientResponse } from "effect/http"

/** A request as it went out, and the instant it did. */
export interface Sent {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
  readonly at: number
  readonly signal: AbortSignal
}

/** What a server does: it answers, or the network fails. Later answers than given repeat the last one. */
export type Answer = (
  request: HttpClientRequest.HttpClientRequest
) => Effect.Effect<Response, HttpClientError.HttpClientError>

export const answer =
  (status: number, body: string | ReadableStream | object | null = "", headers: Record<string, string> = {}): Answer =>
  () =>
    Effect.sync(() => {
      const isPlain = body !== null && Object.getPrototypeOf(body) === Object.prototype
      return new Response(isPlain ? JSON.stringify(body) : (body as string | ReadableStream | null), {
        status,
        headers
      })
    })

/** The network fails the way HTTP clients report it. */
export const networkFault =
  (cause: unknown): Answer =>
  (request) =>
    Effect.fail(new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) }))

/** A server that takes the request and says nothing. */
export const silence: Answer = () => Effect.never

const textOf = (body: HttpClientRequest.HttpClientRequest["body"]): string =>
  body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : body._tag

/**
 * An HTTP client whose requests get these answers, one after the other, with Databricks' domains for an allow-list; and
 * what was sent.
 */
export const makeHttp = (...answers: ReadonlyArray<Answer>) =>
  makeHttpUnder(WorkspaceHost.databricksDomains, ...answers)

/** The same, under an allow-list. */
export const makeHttpUnder = (allowed: ReadonlyArray<string>, ...answers: ReadonlyArray<Answer>) =>
  Effect.gen(function* () {
    const sent = yield* Ref.make<ReadonlyArray<Sent>>([])
    const client = HttpClient.make((request, url, signal) =>
      Effect.gen(function* () {
        const at = yield* Clock.currentTimeMillis
        const count = (yield* Ref.get(sent)).length
        const { method, headers, body } = request
        yield* Ref.update(sent, (all) => [...all, { method, url: url.href, headers, body: textOf(body), at, signal }])
        const response = yield* (answers[count] ?? answers.at(-1)!)(request)
        return HttpClientResponse.fromWeb(request, response)
      })
    )
    const list = Result.getOrThrow(WorkspaceHost.allowList(allowed))
    const layer = Layer.merge(
      Layer.succeed(HttpClient.HttpClient, client),
      Layer.succeed(WorkspaceHost.AllowedInstances, list)
    )
    return { layer, sent: Ref.get(sent) }
  })
