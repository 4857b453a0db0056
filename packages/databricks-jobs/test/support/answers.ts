import * as JobsClient from "@flyte-databricks/databricks-jobs/JobsClient"
import { Effect, Layer, Ref } from "effect"
import { HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import { type Invalidation, tokens } from "./headers.ts"

/** A request as it went out. */
export interface Sent {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
  readonly contentType: string | undefined
  readonly workspaceId: string | undefined
  readonly userAgent: string | undefined
  readonly body: string
}

/** What comes back for the nth request: an answer, no answer ever, or the cause of a broken connection. */
export type Answering = (count: number) => Response | "never" | { readonly broken: Error }

export const secret = "dapi-0123456789abcdef"
export const nextSecret = "dapi-fedcba9876543210"

/** The client over HTTP whose requests are answered here, and what it sent and invalidated. */
export const clientAnswered = Effect.fnUntraced(function* (answering: Answering) {
  const sent = yield* Ref.make<ReadonlyArray<Sent>>([])
  const invalidations = yield* Ref.make<ReadonlyArray<Invalidation>>([])
  const client = HttpClient.make((request, url) =>
    Effect.gen(function* () {
      const { method, headers, body } = request
      const all = yield* Ref.updateAndGet(sent, (before) => [
        ...before,
        {
          method,
          url: String(url),
          authorization: headers["authorization"],
          contentType: headers["content-type"],
          workspaceId: headers["x-databricks-workspace-id"],
          userAgent: headers["user-agent"],
          body: body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""
        }
      ])
      const answer = answering(all.length)
      if (answer === "never") return yield* Effect.never
      if (answer instanceof Response) return HttpClientResponse.fromWeb(request, answer)
      return yield* new HttpClientError.HttpClientError({
        reason: new HttpClientError.TransportError({ request, cause: answer.broken })
      })
    })
  )
  const jobs = yield* JobsClient.JobsClient.pipe(
    Effect.provide(
      JobsClient.layer.pipe(
        Layer.provide([tokens([secret, nextSecret], invalidations), Layer.succeed(HttpClient.HttpClient, client)])
      )
    )
  )
  return { jobs, sent: Ref.get(sent), invalidations: Ref.get(invalidations) }
})

export const answer = (status: number, body: unknown, headers: Record<string, string> = {}): Response =>
  new Response(typeof body === "string" ? body : JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...headers }
  })

/** A body that gives chunks for as long as somebody reads, and says when nobody does any more. */
export const endless = (onCancel: () => void): Response =>
  new Response(
    new ReadableStream({
      pull: (controller) => controller.enqueue(new TextEncoder().encode(" ".repeat(64 * 1024))),
      cancel: onCancel
    }),
    { status: 200 }
  )

/** A body that breaks off. */
export const brokenOff = (begun: string): Response =>
  new Response(
    new ReadableStream({
      pull: (controller) => {
        controller.enqueue(new TextEncoder().encode(begun))
        controller.error(new TypeError("terminated"))
      }
    }),
    { status: 200 }
  )
