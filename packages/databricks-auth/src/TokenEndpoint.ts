/**
 * The workspace's token endpoint, `POST https://<instance>/oidc/v1/token`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Base64 from "effect/encoding/Base64"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import { AuthError, TokenEndpointUnavailable } from "./AuthError.ts"
import type { Token } from "./AuthMode.ts"
import * as BoundedBody from "./BoundedBody.ts"
import { type Answer, readAnswer } from "./internal/tokenAnswer.ts"
import { RetryPolicy } from "./RetryPolicy.ts"
import { baseUrl, type WorkspaceHost } from "./WorkspaceHost.ts"

/**
 * A request for a token by client credentials (RFC 6749 §4.4).
 */
export interface ClientCredentialsRequest {
  readonly instance: WorkspaceHost
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted<string>
  /** Where the pair came from, for the error of a refusal. */
  readonly source: string
}

/**
 * Gives tokens for credentials.
 */
export class TokenEndpoint extends Context.Service<
  TokenEndpoint,
  {
    readonly clientCredentials: (request: ClientCredentialsRequest) => Effect.Effect<Token, AuthError>
  }
>()("@flyte-databricks/databricks-auth/TokenEndpoint") {}

/**
 * How long one try may take. Databricks answers within a second; a try that hangs leaves time for another.
 */
export const TryTimeout = Context.Reference<Duration.Input>("@flyte-databricks/databricks-auth/TryTimeout", {
  defaultValue: () => "5 seconds"
})

// A token answer has some 2 KB; a login page in its place some 100 KB.
const bodyLimit = 256 * 1024

export const layer: Layer.Layer<TokenEndpoint, never, HttpClient.HttpClient> = Layer.effect(
  TokenEndpoint,
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const retryPolicy = yield* RetryPolicy
    const tryTimeout = yield* TryTimeout

    const send = Effect.fnUntraced(
      function* (request: HttpClientRequest.HttpClientRequest, endpoint: string, attempts: number) {
        const response = yield* client.execute(request)
        if (isTransient(response.status)) {
          return yield* unavailable(endpoint, `status ${response.status}`, attempts, yield* retryAfterMillis(response))
        }
        const body = yield* BoundedBody.text(response, bodyLimit).pipe(Effect.catchTag("BodyTooLarge", Effect.succeed))
        return { status: response.status, body, headers: response.headers } satisfies Answer
      },
      (effect, _request, endpoint, attempts) =>
        effect.pipe(
          Effect.timeoutOrElse({
            duration: tryTimeout,
            orElse: () =>
              Effect.fail(
                unavailable(endpoint, `nothing within ${Duration.format(Duration.fromInputUnsafe(tryTimeout))}`, attempts)
              )
          }),
          Effect.catchTag("HttpClientError", (error) =>
            Effect.fail(unavailable(endpoint, describeTransport(error), attempts))
          )
        )
    )

    const clientCredentials = Effect.fn("TokenEndpoint.clientCredentials")(function* (
      request: ClientCredentialsRequest
    ): Effect.fn.Return<Token, AuthError> {
      const endpoint = `${baseUrl(request.instance)}/oidc/v1/token`
      const httpRequest = HttpClientRequest.post(endpoint).pipe(
        HttpClientRequest.acceptJson,
        HttpClientRequest.setHeader("authorization", basic(request.clientId, request.clientSecret)),
        HttpClientRequest.bodyUrlParams({ grant_type: "client_credentials", scope: "all-apis" })
      )
      const attempts = yield* Ref.make(0)
      const answer = yield* Ref.updateAndGet(attempts, (n) => n + 1).pipe(
        Effect.flatMap((attempt) => send(httpRequest, endpoint, attempt)),
        Effect.retry({ schedule: retryPolicy, while: (error) => error.retryable })
      )
      return yield* readAnswer(answer, { ...request, endpoint })
    })

    return TokenEndpoint.of({ clientCredentials })
  })
)

// RFC 6749 §2.3.1: id and secret are form-encoded before they are joined.
const basic = (clientId: string, clientSecret: Redacted.Redacted<string>): string =>
  `Basic ${Base64.encode(`${formEncode(clientId)}:${formEncode(Redacted.value(clientSecret))}`)}`

const formEncode = (value: string): string => new URLSearchParams({ v: value }).toString().slice(2)

const isTransient = (status: number): boolean => status === 408 || status === 429 || status >= 500

const retryAfterMillis = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
  const header = Option.fromNullishOr(response.headers["retry-after"])
  const parsed = Option.flatMap(header, (value) => Result.getSuccess(Headers.parseRetryAfter(value)))
  const now = yield* Clock.currentTimeMillis
  return Option.getOrUndefined(Option.map(parsed, (value) => Duration.toMillis(Headers.retryAfterDelay(value, now))))
})

// The cause names the system's code (ECONNREFUSED, ENOTFOUND, a certificate's fault); the error's own text, the method and URL.
const describeTransport = (error: HttpClientError.HttpClientError): string => {
  const cause = error.reason._tag === "TransportError" ? error.reason.cause : undefined
  return Predicate.isError(cause) && cause.message !== "" ? cause.message.slice(0, 200) : error.reason._tag
}

const unavailable = (endpoint: string, detail: string, attempts: number, retryAfterMillis?: number): AuthError =>
  new AuthError({
    reason: new TokenEndpointUnavailable({
      endpoint,
      detail,
      attempts,
      ...(retryAfterMillis === undefined ? {} : { retryAfterMillis })
    })
  })

/**
 * Answers in place of the token endpoint, and counts what it was asked for.
 */
export class TokenEndpointMemory extends Context.Service<
  TokenEndpointMemory,
  {
    readonly requests: Effect.Effect<ReadonlyArray<ClientCredentialsRequest>>
  }
>()("@flyte-databricks/databricks-auth/TokenEndpointMemory") {}

/**
 * A token endpoint in memory; the function decides what each request gets.
 */
export const layerMemory = (
  respond: (request: ClientCredentialsRequest, count: number) => Effect.Effect<Token, AuthError>
): Layer.Layer<TokenEndpoint | TokenEndpointMemory> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const requests = yield* Ref.make<ReadonlyArray<ClientCredentialsRequest>>([])
      return Context.make(TokenEndpoint, {
        clientCredentials: (request) =>
          Ref.updateAndGet(requests, (all) => [...all, request]).pipe(
            Effect.flatMap((all) => respond(request, all.length))
          )
      }).pipe(Context.add(TokenEndpointMemory, { requests: Ref.get(requests) }))
    })
  )
