/**
 * ID tokens of GitHub Actions: `GET $ACTIONS_ID_TOKEN_REQUEST_URL&audience=…` with a bearer token gives `{ value }`.
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { AuthError, TokenEndpointUnavailable } from "../../AuthError.ts"
import * as Fault from "../../endpoint/internal/fault.ts"
import { makeTry, RetryPolicy, within } from "../../endpoint/RetryPolicy.ts"
import { describeBody } from "../../http/Answer.ts"
import * as BoundedBody from "../../http/BoundedBody.ts"
import * as LiveSecrets from "../../http/LiveSecrets.ts"
import { userAgent } from "../../http/UserAgent.ts"
import { broken } from "../../internal/broken.ts"
import { requireSecure } from "../../internal/secureUrl.ts"
import { nonBlank, variable } from "../../internal/settings.ts"
import { maxIdToken } from "./idToken.ts"

const urlVariable = "ACTIONS_ID_TOKEN_REQUEST_URL"
const tokenVariable = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
const name = "OIDC provider of GitHub Actions"
const remedy = "Give the job permissions: id-token: write."

// Within which time tries begin: as long as a caller of Flyte's usually waits.
const totalTimeout = Duration.seconds(8)

const decode = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ value: Schema.RedactedFromValue(Schema.String) }))
)

export const make = Effect.gen(function* () {
  const client = yield* HttpClient.HttpClient
  const retryPolicy = yield* RetryPolicy
  const aTry = yield* makeTry
  const url = yield* variable(urlVariable)
  const bearer = Option.filter(yield* Config.option(Config.Redacted(tokenVariable)), (text) =>
    Option.isSome(nonBlank(Redacted.value(text)))
  )

  const ask = Effect.fnUntraced(function* (
    endpoint: string,
    token: Redacted.Redacted<string>,
    audience: string
  ): Effect.fn.Return<Redacted.Redacted<string>, AuthError> {
    yield* requireSecure(urlVariable, endpoint)
    LiveSecrets.add(token)
    // Of the address, the query names the job.
    const place = endpoint.replace(/[?#].*/s, "")
    const tries = yield* Ref.make(0)
    const unavailable = (fault: Fault.Fault) =>
      Effect.flatMap(Ref.get(tries), (attempts) =>
        Effect.fail(new AuthError({ reason: new TokenEndpointUnavailable({ endpoint: place, attempts, ...fault }) }))
      )
    const request = HttpClientRequest.get(endpoint).pipe(
      HttpClientRequest.setUrlParam("audience", audience),
      HttpClientRequest.acceptJson,
      HttpClientRequest.bearerToken(token),
      HttpClientRequest.setHeader("user-agent", userAgent())
    )
    const answered = client.execute(request).pipe(
      Effect.flatMap((response) =>
        Effect.map(BoundedBody.text(response, 2 * maxIdToken), (body) => ({ response, body }))
      ),
      Effect.mapError((error) => (error._tag === "BodyTooLarge" ? error : Fault.ofTransport(error))),
      // A client that follows redirects by itself would take the token along.
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" })
    )
    const once = Effect.gen(function* () {
      yield* Ref.update(tries, (count) => count + 1)
      const { body, response } = yield* aTry(answered, (detail): Fault.Fault => ({ detail })).pipe(
        Effect.catch((fault) =>
          "detail" in fault
            ? unavailable(fault)
            : Effect.fail(broken(`The ${name}`, `answered, but ${fault.message}`, remedy))
        )
      )
      const fault = yield* Fault.ofAnswer(response)
      return Option.isSome(fault) ? yield* unavailable(fault.value) : { body, status: response.status }
    })
    const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(totalTimeout)
    const { body, status } = yield* Effect.retry(once, {
      schedule: within(retryPolicy, deadline),
      while: ({ retryable }) => retryable
    })
    const given = status === 200 ? decode(body) : Option.none()
    if (Option.isSome(given)) return given.value.value
    const problem = status === 200 ? "its answer holds no token" : `it answered ${status}, and ${describeBody(body)}`
    return yield* broken(`The ${name}`, `gave no token: ${problem}`, remedy)
  })

  return {
    name,
    absence: `is not there: ${urlVariable} and ${tokenVariable} are not set`,
    remedy,
    read: Effect.fnUntraced(function* (audience) {
      if (Option.isNone(url) && Option.isNone(bearer)) return Option.none()
      if (Option.isNone(url) || Option.isNone(bearer)) {
        const [set, missing] = Option.isSome(url) ? [urlVariable, tokenVariable] : [tokenVariable, urlVariable]
        return yield* broken(`The ${name}`, `is half of something: ${set} is set, and ${missing} is not`, remedy)
      }
      return Option.some(yield* ask(url.value, bearer.value, audience))
    })
  }
})
