/**
 * The workspace's token endpoint: `POST https://<instance>/oidc/v1/token`, or where the workspace's host says that it is.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import type * as HttpClient from "effect/http/HttpClient"
import type { AuthError } from "../AuthError.ts"
import type { Jwt } from "../Jwt.ts"
import type { AllowedInstances, WorkspaceHost } from "../WorkspaceHost.ts"
import * as Discovery from "./Discovery.ts"
import * as endpointMetrics from "./endpointMetrics.ts"
import * as OAuthEndpoint from "./OAuthEndpoint.ts"
import type { Token, Tries } from "./Token.ts"

export { TotalTimeout } from "./RetryPolicy.ts"

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
  /** The OAuth secret of the client. */
  readonly clientSecret: Redacted.Redacted<string>
}

/**
 * A request for a token in exchange for a JWT (RFC 8693).
 */
export interface TokenExchangeRequest extends AnyRequest {
  /** The JWT that is exchanged. */
  readonly subject: Jwt
}

/**
 * Gives tokens for credentials.
 */
export class TokenEndpoint extends Context.Service<
  TokenEndpoint,
  {
    /**
     * A token for a client id and its secret. Fails with `TokenRefused`, `TokenEndpointUnavailable`,
     * `TokenResponseInvalid`.
     */
    readonly clientCredentials: (request: ClientCredentialsRequest, tries?: Tries) => Effect.Effect<Token, AuthError>
    /** A token for a JWT. Fails with `ExchangeRefused`, `TokenEndpointUnavailable`, `TokenResponseInvalid`. */
    readonly tokenExchange: (request: TokenExchangeRequest, tries?: Tries) => Effect.Effect<Token, AuthError>
  }
>()("@flyte-databricks/databricks-auth/endpoint/TokenEndpoint") {}

/**
 * The real one, over HTTP: tries again what may pass, within `TotalTimeout`, and leaves an endpoint alone that is
 * down.
 */
export const layer: Layer.Layer<TokenEndpoint, never, HttpClient.HttpClient | AllowedInstances> = Layer.effect(
  TokenEndpoint,
  Effect.gen(function* () {
    const oauth = yield* OAuthEndpoint.make
    yield* endpointMetrics.begin
    const discovery = yield* Discovery.make

    return TokenEndpoint.of({
      clientCredentials: Effect.fn("TokenEndpoint.clientCredentials")(function* (request, tries) {
        const { clientId, clientSecret, instance } = request
        return yield* oauth.token(
          {
            ...request,
            endpoint: yield* discovery.tokenEndpoint(instance),
            circuit: instance,
            authType: "oauth_m2m",
            basic: { clientId, clientSecret },
            form: { grant_type: "client_credentials", scope: "all-apis" },
            secret: clientSecret
          },
          tries
        )
      }, endpointMetrics.measured("client_credentials")),
      tokenExchange: Effect.fn("TokenEndpoint.tokenExchange")(function* (request, tries) {
        const { clientId, instance, subject } = request
        return yield* oauth.token(
          {
            ...request,
            endpoint: yield* discovery.tokenEndpoint(instance),
            circuit: instance,
            authType: "oidc_federation",
            form: {
              grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
              scope: "all-apis",
              client_id: clientId,
              subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
              subject_token: subject.token
            },
            secret: subject.token,
            jwt: subject
          },
          tries
        )
      }, endpointMetrics.measured("token_exchange"))
    })
  })
)

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
    /** What it was asked for so far, in order. */
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
