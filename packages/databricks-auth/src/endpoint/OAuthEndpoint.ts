/**
 * Any OAuth 2.0 token endpoint: a grant is sent as a form, and a bearer token comes back (RFC 6749 §4, §5). Retries, the
 * deadline, the circuit breaker and the cleaning of secrets are here, for whoever brings a grant of his own:
 *
 *     const oauth = yield* OAuthEndpoint
 *     const token = yield* oauth.token({
 *       endpoint: "https://login.microsoftonline.com/<tenant>/oauth2/v2.0/token",
 *       form: { grant_type: "client_credentials", client_id, client_secret, scope },
 *       clientId: client_id, secret: client_secret, source: "Secret entra-id in namespace team-a"
 *     })
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import { AuthError, TokenEndpointUnavailable } from "../AuthError.ts"
import * as BoundedBody from "../http/BoundedBody.ts"
import * as LiveSecrets from "../http/LiveSecrets.ts"
import { userAgent } from "../http/UserAgent.ts"
import { requireSecure } from "../internal/secureUrl.ts"
import type { Description } from "../Jwt.ts"
import * as Circuit from "./Circuit.ts"
import { basicCredentials } from "./internal/basicCredentials.ts"
import * as Fault from "./internal/fault.ts"
import { type Answer, type Asked, readAnswer } from "./internal/tokenAnswer.ts"
import { makeTry, RetryPolicy, tooLong, TotalTimeout, within } from "./RetryPolicy.ts"
import type { Progress, Token, Tries } from "./Token.ts"

/**
 * A grant, and what errors say of it.
 */
export interface GrantRequest {
  /** Where the grant is sent by `POST`: an https URL, or http of a loopback host. Redirects are not followed. */
  readonly endpoint: string
  /** The parameters of the form, `grant_type` among them. What is `Redacted` is searched for in every text that leaves. */
  readonly form: Readonly<Record<string, string | Redacted.Redacted<string>>>
  /** Authenticates the client by HTTP Basic (RFC 6749 §2.3.1); left out where the form or a JWT says who it is. */
  readonly basic?: { readonly clientId: string; readonly clientSecret: Redacted.Redacted<string> } | undefined
  /** The client that asks. Errors name it; clients that fail in a row open the circuit. */
  readonly clientId: string
  /** The secret that the grant stands on: a client secret, a JWT. It becomes the token's `builtFrom`. */
  readonly secret: Redacted.Redacted<string>
  /** Where the credential came from, for the error of a refusal, as in "Secret entra-id in namespace team-a". */
  readonly source: string
  /** What to do about a refusal, as a clause; by default what is to be done about a Databricks service principal. */
  readonly remedy?: string | undefined
  /** What the JWT says that is exchanged: a refusal becomes `ExchangeRefused`, which compares it with a policy. */
  readonly jwt?: Description | undefined
  /** What fails together: the circuit's name. By default the endpoint. */
  readonly circuit?: string | undefined
  /** A task chose the client id, and it may be made up; it has no part in the circuit before it was given a token. */
  readonly isTaskClient?: boolean | undefined
  /** The auth type that `User-Agent` names; by default none. */
  readonly authType?: string | undefined
}

/**
 * Gives bearer tokens for grants.
 *
 * An answer of 408, 429 or 5xx and a network fault are tried again by `RetryPolicy`, within `TotalTimeout`, obeying
 * `Retry-After`; `TryTimeout` ends one try, `CircuitPolicy` says when an endpoint counts as down. It fails with
 * `TokenEndpointUnavailable` (retryable), `TokenResponseInvalid` (retryable), `TokenRefused` or `ExchangeRefused`, and with
 * `SettingInvalid` where the endpoint is no address that a secret may be sent to.
 */
export class OAuthEndpoint extends Context.Service<
  OAuthEndpoint,
  {
    /** `tries` says whether somebody waits, and hears of progress; a mode passes on what `acquire` was given. */
    readonly token: (grant: GrantRequest, tries?: Tries) => Effect.Effect<Token, AuthError>
  }
>()("@flyte-databricks/databricks-auth/endpoint/OAuthEndpoint") {}

// A token answer has some 2 KB; a login page in its place some 100 KB.
const bodyLimit = 256 * 1024

/**
 * Makes an endpoint with a circuit of its own.
 */
export const make: Effect.Effect<OAuthEndpoint["Service"], never, HttpClient.HttpClient | Scope.Scope> = Effect.gen(
  function* () {
    const client = yield* HttpClient.HttpClient
    const retryPolicy = yield* RetryPolicy
    const aTry = yield* makeTry
    const totalTimeout = Duration.fromInputUnsafe(yield* TotalTimeout)
    const circuit = yield* Circuit.make

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

    return OAuthEndpoint.of({
      token: Effect.fnUntraced(function* (grant, tries) {
        const { authType, basic, circuit, endpoint, form, jwt, secret } = grant
        yield* requireSecure("The OAuth token endpoint", endpoint)
        for (const value of [secret, ...Record.values(form)]) if (Redacted.isRedacted(value)) LiveSecrets.add(value)
        const request = HttpClientRequest.post(endpoint).pipe(
          HttpClientRequest.setHeaders({
            ...(basic === undefined
              ? {}
              : { authorization: `Basic ${basicCredentials(basic.clientId, basic.clientSecret)}` }),
            "user-agent": userAgent(authType)
          }),
          HttpClientRequest.bodyUrlParams(
            Record.map(form, (value) => (Redacted.isRedacted(value) ? Redacted.value(value) : value))
          )
        )
        const asked = { ...grant, instance: circuit ?? endpoint, jwt: Option.fromUndefinedOr(jwt) }
        const token = yield* ask(request, asked, tries)
        return jwt === undefined ? token : { ...token, jwt: { header: jwt.header, claims: jwt.claims } }
      })
    })
  }
)

/**
 * OAuth token endpoints over HTTP.
 */
export const layer: Layer.Layer<OAuthEndpoint, never, HttpClient.HttpClient> = Layer.effect(OAuthEndpoint, make)

const waitedFor: Tries = { isWaitedFor: true, onProgress: () => Effect.void }
