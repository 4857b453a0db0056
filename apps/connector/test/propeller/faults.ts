/**
 * What goes wrong on the way to Databricks and to Kubernetes: for each call anew, with the given probability, one of all
 * the ways in which a call can fail and later succeed.
 */
import { Kubernetes } from "@flyte-databricks/databricks-auth"
import { Effect, Layer, Random, Stream } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest, HttpServerResponse } from "effect/http"
import { chance, one } from "./dice.ts"
import type { Tally } from "./Tally.ts"

type Request = HttpClientRequest.HttpClientRequest
type Answer = Effect.Effect<HttpServerResponse.HttpServerResponse, HttpClientError.HttpClientError>
/** In place of an answer, or of the way it comes; what does not run `answer` never reached the workspace. */
type HttpFault = (answer: Answer, request: Request) => Answer

const html = (status: number, headers: Record<string, string> = {}) =>
  HttpServerResponse.text("<!doctype html><html><body>Sign in to continue</body></html>", {
    status,
    contentType: "text/html",
    headers
  })
const refusal = (status: number, headers: Record<string, string> = {}) =>
  HttpServerResponse.jsonUnsafe({ error_code: "TEMPORARILY_UNAVAILABLE", message: "Try again" }, { status, headers })

const transport = (request: Request, cause: string) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({ request, cause: new Error(cause) })
  })

const instead =
  (response: HttpServerResponse.HttpServerResponse): HttpFault =>
  () =>
    Effect.succeed(response)
/** The workspace did what it was asked; only its answer does not say so. */
const afterwards =
  (response: HttpServerResponse.HttpServerResponse): HttpFault =>
  (answer) =>
    Effect.as(answer, response)

const bytesOf = ({ body }: HttpServerResponse.HttpServerResponse) =>
  body._tag === "Uint8Array" ? body.body : new Uint8Array()

const streamed =
  (change: (body: Uint8Array, request: Request) => Stream.Stream<Uint8Array, unknown>): HttpFault =>
  (answer, request) =>
    Effect.map(answer, (response) =>
      HttpServerResponse.stream(change(bytesOf(response), request), {
        status: response.status,
        contentType: "application/json"
      })
    )

const httpFaults: Readonly<Record<string, HttpFault>> = {
  "408": instead(refusal(408)),
  "429": instead(refusal(429)),
  "429 with Retry-After": instead(refusal(429, { "retry-after": "1" })),
  "500": instead(refusal(500)),
  "500 after the work": afterwards(refusal(500)),
  "502 and HTML": instead(html(502)),
  "503": instead(refusal(503)),
  "504 after the work": afterwards(html(504)),
  "connection refused": (_answer, request) => Effect.fail(transport(request, "connect ECONNREFUSED")),
  "no such host": (_answer, request) => Effect.fail(transport(request, "getaddrinfo EAI_AGAIN")),
  "reset after the work": (answer, request) =>
    Effect.andThen(answer, Effect.fail(transport(request, "read ECONNRESET"))),
  "no answer": () => Effect.never,
  "no answer after the work": (answer) => Effect.andThen(answer, Effect.never),
  "answer after 2 s": (answer) => Effect.delay(answer, "2 seconds"),
  "answer after 4 s": (answer) => Effect.delay(answer, "4 seconds"),
  "login page": instead(html(200)),
  "redirect to a login page": instead(html(302, { location: "https://sso.example.com/login" })),
  "empty body after the work": afterwards(HttpServerResponse.empty({ status: 200 })),
  "half the JSON": streamed((body) => Stream.succeed(body.subarray(0, body.length / 2))),
  "body broken off": streamed((body, request) =>
    Stream.concat(Stream.succeed(body.subarray(0, body.length / 2)), Stream.fail(transport(request, "terminated")))
  ),
  "slow body": streamed((body) =>
    Stream.rechunk(Stream.fromIterable(body), 1).pipe(
      Stream.mapEffect((byte) => Effect.delay(Effect.succeed(Uint8Array.of(byte)), "300 millis"))
    )
  )
}

// An answer about one call there. Of a token endpoint it would say that nobody is to ask for two minutes.
const jobsFaults = {
  ...httpFaults,
  "503 with a long Retry-After": instead(refusal(503, { "retry-after": "120" }))
}

const drawn = Effect.fnUntraced(function* <A>(probability: number, faults: Readonly<Record<string, A>>) {
  return (yield* chance(probability)) ? yield* one(Object.entries(faults)) : undefined
})

/** An HTTP client whose requests reach the workspace, most of them. */
export const http = (
  answer: (request: Request) => Effect.Effect<HttpServerResponse.HttpServerResponse>,
  probability: Effect.Effect<number>,
  tally: Tally
) =>
  Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) =>
      Effect.gen(function* () {
        const target = url.pathname.startsWith("/oidc/") ? "token" : "databricks"
        yield* tally.count(`${target} calls`)
        yield* Effect.sleep(yield* Random.nextIntBetween(5, 100))
        const fault = yield* drawn(yield* probability, target === "token" ? httpFaults : jobsFaults)
        if (fault !== undefined) yield* tally.count(`${target} fault: ${fault[0]}`)
        const response = yield* fault === undefined ? answer(request) : fault[1](answer(request), request)
        return HttpServerResponse.toClientResponse(response, { request })
      })
    )
  )

const unavailable = (detail: string) =>
  Effect.fail(new Kubernetes.KubernetesError({ reason: new Kubernetes.Unavailable({ detail }) }))

type KubernetesFault = <A>(
  answer: Effect.Effect<A, Kubernetes.KubernetesError>
) => Effect.Effect<A, Kubernetes.KubernetesError>

// As the adapter tells of them: it waits five seconds for an answer.
const kubernetesFaults: Readonly<Record<string, KubernetesFault>> = {
  "429": () => unavailable("answered 429"),
  "500": () => unavailable("answered 500"),
  "503": () => unavailable("answered 503"),
  "connection refused": () => unavailable("connect ECONNREFUSED"),
  "no answer": () => Effect.delay(unavailable("gave no answer in time"), "5 seconds"),
  "answer after 2 s": (answer) => Effect.delay(answer, "2 seconds")
}

/** The cluster, whose API server answers most of the time. */
export const kubernetes = (
  cluster: Layer.Layer<Kubernetes.Kubernetes>,
  probability: Effect.Effect<number>,
  tally: Tally
) =>
  Layer.effect(
    Kubernetes.Kubernetes,
    Effect.gen(function* () {
      const { cluster: name, apiAudiences, ...real } = yield* Kubernetes.Kubernetes
      const perhaps = Effect.fnUntraced(function* <A>(answer: Effect.Effect<A, Kubernetes.KubernetesError>) {
        yield* tally.count("kubernetes calls")
        yield* Effect.sleep(yield* Random.nextIntBetween(2, 30))
        const fault = yield* drawn(yield* probability, kubernetesFaults)
        if (fault === undefined) return yield* answer
        yield* tally.count(`kubernetes fault: ${fault[0]}`)
        return yield* fault[1](answer)
      })
      return Kubernetes.Kubernetes.of({
        cluster: name,
        apiAudiences,
        readSecret: (...args) => perhaps(real.readSecret(...args)),
        listServiceAccounts: (...args) => perhaps(real.listServiceAccounts(...args)),
        createServiceAccountToken: (...args) => perhaps(real.createServiceAccountToken(...args))
      })
    })
  ).pipe(Layer.provide(cluster))
