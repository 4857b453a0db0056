/**
 * Effect's `HttpClient` with the headers of a credential, for programs that have the boundary `DatabricksAuth`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { AuthError, InstanceRefused } from "../../AuthError.ts"
import type { Credential } from "../../Credential.ts"
import { DatabricksAuth } from "../../DatabricksAuth.ts"
import { refusesToken } from "../../http/Answer.ts"
import { userAgent } from "../../http/UserAgent.ts"
import * as WorkspaceHost from "../../WorkspaceHost.ts"

/**
 * A client for the workspace of a credential: paths are the workspace's, and requests to another origin fail with
 * `InstanceRefused`. Redirects are not followed. Where Databricks refuses the token, it is renewed and the request sent
 * once more, unless its body is a stream. The body of a 403 is read for that, so that `stream` no longer has it.
 */
export const httpClient = (
  credential: Credential
): Effect.Effect<
  HttpClient.HttpClient.With<HttpClientError.HttpClientError | AuthError>,
  never,
  HttpClient.HttpClient | DatabricksAuth
> =>
  Effect.gen(function* () {
    const auth = yield* DatabricksAuth
    const client = yield* HttpClient.HttpClient
    const { authType, instance } = credential.identity
    const origin = WorkspaceHost.baseUrl(instance)

    const addressed = Effect.fnUntraced(function* (given: HttpClientRequest.HttpClientRequest) {
      const request = given.url.startsWith("/") ? HttpClientRequest.prependUrl(given, origin) : given
      const to = Option.getOrUndefined(HttpClientRequest.toUrl(request))?.origin
      if (to === origin) return request
      return yield* new AuthError({
        reason: new InstanceRefused({
          instance: to ?? request.url,
          why: `the credential is for ${origin}`,
          allowed: []
        })
      })
    })

    const send = Effect.fnUntraced(function* (given: HttpClientRequest.HttpClientRequest) {
      const request = yield* addressed(given)
      const attempt = Effect.fnUntraced(function* () {
        const header = yield* auth.getHeader(credential)
        const response = yield* HttpClientRequest.setHeaders(request, {
          "user-agent": userAgent(authType),
          ...request.headers,
          ...WorkspaceHost.headers(instance),
          authorization: Redacted.value(header.authorization)
        }).pipe(client.execute, Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }))
        return { header, response }
      })
      const { header, response } = yield* attempt()
      const { status } = response
      const body = status === 403 ? yield* Effect.orElseSucceed(response.text, () => undefined) : undefined
      if (!refusesToken({ status, body })) return response
      yield* auth.invalidate(credential, header)
      return request.body._tag === "Stream" ? response : (yield* attempt()).response
    })
    return HttpClient.makeWith(
      (request: Effect.Effect<HttpClientRequest.HttpClientRequest>) => Effect.flatMap(request, send),
      Effect.succeed
    )
  })
