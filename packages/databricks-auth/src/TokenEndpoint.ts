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
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import { AuthError, TokenEndpointUnavailable } from "./AuthError.ts"
import { Attempts } from "./Attempts.ts"
import type { Token } from "./AuthMode.ts"
import * as BoundedBody from "./BoundedBody.ts"
import { basicCredentials } from "./internal/basicCredentials.ts"
import { type Answer, type Asked, clean, readAnswer } from "./internal/tokenAnswer.ts"
import type { Jwt } from "./Jwt.ts"
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
 * A request for a token in exchange for a JWT (RFC 8693).
 */
export interface TokenExchangeRequest {
  readonly instance: WorkspaceHost
  readonly clientId: string
  readonly subject: Jwt
  /** Where the JWT came from, for the error of a refusal. */
  readonly source: string
}

/**
 * Gives tokens for credentials.
 */
export class TokenEndpoint extends Context.Service<
  TokenEndpoint,
  {
    readonly clientCredentials: (request: ClientCredentialsRequest) => Effect.Effect<Token, AuthError>
    readonly tokenExchange: (request: TokenExchangeRequest) => Effect.Effect<Token, AuthError>
  }
>()("@flyte-databricks/databricks-auth/TokenEndpoint") {}

/**
 * How long one try may take. Databricks answers within a second; a try that hangs leaves time for another.
 */
export const TryTimeout = Context.Reference<Duration.Input>("@flyte-databricks/databricks-auth/TryTimeout", {
  defaultValue: () => "4 seconds"
})

/**
 * How long all tries together may take. Flyte waits ten seconds for an answer by default, and is to hear why there is
 * none.
 */
export const TotalTimeout = Context.Reference<Duration.Input>("@flyte-databricks/databricks-auth/TotalTimeout", {
  defaultValue: () => "8500 millis"
})

// A token answer has some 2 KB; a login page in its place some 100 KB.
const bodyLimit = 256 * 1024

export const layer: Layer.Layer<TokenEndpoint, never, HttpClient.HttpClient> = Layer.effect(
  TokenEndpoint,
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const retryPolicy = yield* RetryPolicy
    const tryTimeout = yield* TryTimeout
    const totalTimeout = yield* TotalTimeout

    const send = Effect.fnUntraced(
      function* (request: HttpClientRequest.HttpClientRequest, { endpoint }: Asked, attempts: number) {
        const response = yield* client.execute(request)
        if (isTransient(response.status)) {
          return yield* unavailable(endpoint, `status ${response.status}`, attempts, yield* retryAfterMillis(response))
        }
        const body = yield* BoundedBody.text(response, bodyLimit).pipe(Effect.catchTag("BodyTooLarge", Effect.succeed))
        return { status: response.status, body, headers: response.headers } satisfies Answer
      },
      (effect, _request, asked, attempts) =>
        effect.pipe(
          // A client that follows redirects by itself would take the credentials along.
          Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
          Effect.timeoutOrElse({
            duration: tryTimeout,
            orElse: () => Effect.fail(unavailable(asked.endpoint, nothingWithin(tryTimeout), attempts))
          }),
          Effect.catchTag("HttpClientError", (error) =>
            Effect.fail(unavailable(asked.endpoint, clean(describeTransport(error), asked), attempts))
          )
        )
    )

    const ask = Effect.fnUntraced(function* (
      request: HttpClientRequest.HttpClientRequest,
      asked: Asked
    ): Effect.fn.Return<Token, AuthError> {
      const attempts = yield* Ref.make(0)
      const lastFailure = yield* Ref.make(Option.none<AuthError>())
      const answer = yield* Ref.updateAndGet(attempts, (n) => n + 1).pipe(
        Effect.flatMap((attempt) => send(HttpClientRequest.acceptJson(request), asked, attempt)),
        Effect.tapError((error) => Ref.set(lastFailure, Option.some(error))),
        Effect.tapError(report),
        Effect.retry({ schedule: retryPolicy, while: (error) => error.retryable }),
        Effect.timeoutOrElse({
          duration: totalTimeout,
          orElse: () =>
            Effect.flatMap(Ref.get(lastFailure), (last) =>
              Effect.fail(Option.getOrElse(last, () => unavailable(asked.endpoint, nothingWithin(totalTimeout), 1)))
            )
        })
      )
      return yield* readAnswer(answer, asked)
    })

    return TokenEndpoint.of({
      clientCredentials: Effect.fn("TokenEndpoint.clientCredentials")(function* (request) {
        const endpoint = endpointOf(request.instance)
        const credentials = basicCredentials(request.clientId, request.clientSecret)
        const httpRequest = HttpClientRequest.post(endpoint).pipe(
          HttpClientRequest.setHeader("authorization", `Basic ${credentials}`),
          HttpClientRequest.bodyUrlParams({ grant_type: "client_credentials", scope: "all-apis" })
        )
        return yield* ask(httpRequest, { ...request, endpoint, secret: request.clientSecret, claims: Option.none() })
      }),
      tokenExchange: Effect.fn("TokenEndpoint.tokenExchange")(function* (request) {
        const endpoint = endpointOf(request.instance)
        const { token, claims } = request.subject
        const httpRequest = HttpClientRequest.post(endpoint).pipe(
          HttpClientRequest.bodyUrlParams({
            grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
            scope: "all-apis",
            client_id: request.clientId,
            subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
            subject_token: Redacted.value(token)
          })
        )
        return yield* ask(httpRequest, { ...request, endpoint, secret: token, claims: Option.some(claims) })
      })
    })
  })
)

// To whoever waits for the token.
const report = ({ reason }: AuthError): Effect.Effect<void> =>
  reason._tag === "TokenEndpointUnavailable"
    ? Effect.map(Attempts, (tell) => tell({ attempts: reason.attempts, lastAnswer: reason.detail }))
    : Effect.void

const endpointOf = (instance: WorkspaceHost): string => `${baseUrl(instance)}/oidc/v1/token`

const isTransient = (status: number): boolean => status === 408 || status === 429 || status >= 500

const retryAfterMillis = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
  const header = Option.fromNullishOr(response.headers["retry-after"])
  const parsed = Option.flatMap(header, (value) => Result.getSuccess(Headers.parseRetryAfter(value)))
  const now = yield* Clock.currentTimeMillis
  return Option.getOrUndefined(Option.map(parsed, (value) => Duration.toMillis(Headers.retryAfterDelay(value, now))))
})

const nothingWithin = (timeout: Duration.Input): string =>
  `nothing within ${Duration.format(Duration.fromInputUnsafe(timeout))}`

// The innermost cause says what it was (ECONNREFUSED, ENOTFOUND, a certificate's fault), in its code where it has no
// text; what is around it, "fetch failed"; the error's own text, the method and URL.
const describeTransport = ({ reason }: HttpClientError.HttpClientError): string => {
  let detail: string = reason._tag
  let cause = "cause" in reason ? reason.cause : undefined
  for (let depth = 0; depth < 5 && Predicate.isError(cause); depth++) {
    const code = Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : ""
    detail = cause.message || code || detail
    cause = cause.cause
  }
  return detail
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
 * What a token endpoint in memory was asked for.
 */
export type TokenRequest = ClientCredentialsRequest | TokenExchangeRequest

/**
 * Answers in place of the token endpoint, and counts what it was asked for.
 */
export class TokenEndpointMemory extends Context.Service<
  TokenEndpointMemory,
  {
    readonly requests: Effect.Effect<ReadonlyArray<TokenRequest>>
  }
>()("@flyte-databricks/databricks-auth/TokenEndpointMemory") {}

/**
 * A token endpoint in memory; the function decides what each request gets.
 */
export const layerMemory = (
  respond: (request: TokenRequest, count: number) => Effect.Effect<Token, AuthError>
): Layer.Layer<TokenEndpoint | TokenEndpointMemory> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const requests = yield* Ref.make<ReadonlyArray<TokenRequest>>([])
      const answer = (request: TokenRequest) =>
        Effect.flatMap(
          Ref.updateAndGet(requests, (all) => [...all, request]),
          (all) => respond(request, all.length)
        )
      return Context.make(TokenEndpoint, { clientCredentials: answer, tokenExchange: answer }).pipe(
        Context.add(TokenEndpointMemory, { requests: Ref.get(requests) })
      )
    })
  )

/**
 * The secret that a request is made with.
 */
export const secretOf = (request: TokenRequest): Redacted.Redacted<string> =>
  "clientSecret" in request ? request.clientSecret : request.subject.token
