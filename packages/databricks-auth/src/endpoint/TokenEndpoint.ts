/**
 * The workspace's token endpoint: `POST https://<instance>/oidc/v1/token`, or where the workspace's host says that it is.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import { AuthError, TokenEndpointUnavailable } from "../AuthError.ts"
import type { Progress, Token, Tries } from "./Token.ts"
import * as BoundedBody from "../http/BoundedBody.ts"
import * as LiveSecrets from "../http/LiveSecrets.ts"
import * as Circuit from "./Circuit.ts"
import * as Discovery from "./Discovery.ts"
import { basicCredentials } from "./internal/basicCredentials.ts"
import * as Fault from "./internal/fault.ts"
import { type Answer, type Asked, readAnswer } from "./internal/tokenAnswer.ts"
import type { Jwt } from "../Jwt.ts"
import { makeTry, RetryPolicy, tooLong, within } from "./RetryPolicy.ts"
import { userAgent } from "../http/UserAgent.ts"
import type { AllowedInstances, WorkspaceHost } from "../WorkspaceHost.ts"

interface AnyRequest {
  readonly instance: WorkspaceHost
  readonly clientId: string
  /** Where the credential came from, for the error of a refusal. */
  readonly source: string
  /** A task chose the client id, and it may be made up. */
  readonly isTaskClient?: boolean
}

/**
 * A request for a token by client credentials (RFC 6749 §4.4).
 */
export interface ClientCredentialsRequest extends AnyRequest {
  readonly clientSecret: Redacted.Redacted<string>
}

/**
 * A request for a token in exchange for a JWT (RFC 8693).
 */
export interface TokenExchangeRequest extends AnyRequest {
  readonly subject: Jwt
}

/**
 * Gives tokens for credentials.
 */
export class TokenEndpoint extends Context.Service<
  TokenEndpoint,
  {
    readonly clientCredentials: (request: ClientCredentialsRequest, tries?: Tries) => Effect.Effect<Token, AuthError>
    readonly tokenExchange: (request: TokenExchangeRequest, tries?: Tries) => Effect.Effect<Token, AuthError>
  }
>()("@flyte-databricks/databricks-auth/endpoint/TokenEndpoint") {}

/**
 * Within which time tries may begin. Flyte waits ten seconds for an answer by default, and is to hear why there is none.
 */
export const TotalTimeout = Context.Reference<Duration.Input>("@flyte-databricks/databricks-auth/TotalTimeout", {
  defaultValue: () => "8500 millis"
})

// A token answer has some 2 KB; a login page in its place some 100 KB.
const bodyLimit = 256 * 1024

export const layer: Layer.Layer<TokenEndpoint, never, HttpClient.HttpClient | AllowedInstances> = Layer.effect(
  TokenEndpoint,
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const retryPolicy = yield* RetryPolicy
    const aTry = yield* makeTry
    const totalTimeout = Duration.fromInputUnsafe(yield* TotalTimeout)
    const circuit = yield* Circuit.make
    const discovery = yield* Discovery.make

    const read = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
      const { status, headers } = response
      const fault = yield* Fault.ofAnswer(response)
      if (Option.isSome(fault)) {
        yield* BoundedBody.discard(response)
        return yield* Effect.fail(fault.value)
      }
      const body = yield* BoundedBody.text(response, bodyLimit).pipe(Effect.catchTag("BodyTooLarge", Effect.succeed))
      return { status, body, headers } satisfies Answer
    })

    const send = (request: HttpClientRequest.HttpClientRequest): Effect.Effect<Answer, Fault.Fault> =>
      client.execute(HttpClientRequest.acceptJson(request)).pipe(
        Effect.flatMap(read),
        // A client that follows redirects by itself would take the credentials along.
        Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
        Effect.mapError((error) => ("detail" in error ? error : Fault.ofTransport(error)))
      )

    const ask = Effect.fnUntraced(function* (
      request: HttpClientRequest.HttpClientRequest,
      asked: Asked,
      { isWaitedFor, onProgress }: Tries = waitedFor
    ): Effect.fn.Return<Token, AuthError> {
      const { endpoint } = asked
      LiveSecrets.add(asked.secret)
      const progress = yield* Ref.make<Progress>({ endpoint, attempts: 0, lastAnswer: undefined })
      const progressed = (change: (progress: Progress) => Progress) =>
        Effect.flatMap(Ref.updateAndGet(progress, change), onProgress)
      const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(totalTimeout)

      const once = progressed((progress) => ({ ...progress, attempts: progress.attempts + 1 })).pipe(
        Effect.andThen(send(request)),
        Effect.tapError(({ detail: lastAnswer }) => progressed((progress) => ({ ...progress, lastAnswer })))
      )
      const attempt = aTry(once, (detail): Fault.Fault => ({ detail })).pipe(
        Effect.catch((fault) =>
          Effect.flatMap(Ref.get(progress), ({ attempts }) =>
            Effect.fail(new TokenEndpointUnavailable({ endpoint, attempts, ...fault }))
          )
        )
      )
      const answer = yield* circuit.guard(attempt, asked, Ref.get(progress)).pipe(
        Effect.mapError((reason) => new AuthError({ reason })),
        Effect.retry(within(isWaitedFor ? retryPolicy : Schedule.recurs(0), deadline)),
        Effect.catch((error) => Effect.flatMap(Clock.currentTimeMillis, (now) => tooLong(error, deadline - now)))
      )
      const token = yield* readAnswer(answer, asked)
      circuit.proved(asked)
      return token
    })

    return TokenEndpoint.of({
      clientCredentials: Effect.fn("TokenEndpoint.clientCredentials")(function* (request, tries) {
        const endpoint = yield* discovery.tokenEndpoint(request.instance)
        const credentials = basicCredentials(request.clientId, request.clientSecret)
        const httpRequest = HttpClientRequest.post(endpoint).pipe(
          HttpClientRequest.setHeaders({ authorization: `Basic ${credentials}`, "user-agent": userAgent("oauth_m2m") }),
          HttpClientRequest.bodyUrlParams({ grant_type: "client_credentials", scope: "all-apis" })
        )
        return yield* ask(
          httpRequest,
          { ...request, endpoint, secret: request.clientSecret, claims: Option.none() },
          tries
        )
      }),
      tokenExchange: Effect.fn("TokenEndpoint.tokenExchange")(function* (request, tries) {
        const endpoint = yield* discovery.tokenEndpoint(request.instance)
        const { token, claims, header } = request.subject
        const httpRequest = HttpClientRequest.post(endpoint).pipe(
          HttpClientRequest.setHeader("user-agent", userAgent("oidc_federation")),
          HttpClientRequest.bodyUrlParams({
            grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
            scope: "all-apis",
            client_id: request.clientId,
            subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
            subject_token: Redacted.value(token)
          })
        )
        const asked = { ...request, endpoint, secret: token, claims: Option.some(claims), kid: header.kid }
        return { ...(yield* ask(httpRequest, asked, tries)), jwt: { header, claims } }
      })
    })
  })
)

const waitedFor: Tries = { isWaitedFor: true, onProgress: () => Effect.void }

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
