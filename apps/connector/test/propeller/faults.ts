/**
 * What goes wrong on the way to Databricks and to Kubernetes: for each call anew, with the given probability, one of all
 * the ways in which a call can fail and later succeed.
 */
import { Kubernetes } from "@flyte-databricks/databricks-auth"
import { Clock, Duration, Effect, Fiber, Layer, Random, Stream } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest, HttpServerResponse } from "effect/http"
import { chance, one } from "./dice.ts"
import type { Tally } from "./Tally.ts"

type Request = HttpClientRequest.HttpClientRequest
type Answer = Effect.Effect<HttpServerResponse.HttpServerResponse, HttpClientError.HttpClientError>
/** In place of an answer, or of the way it comes; what does not run `answer` never reached the workspace. */
export type HttpFault = (answer: Answer, request: Request) => Answer

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

/** Takes this long in all, and goes on with the work also where nobody waits for it any longer. */
export const slow =
  (takes: Duration.Input): HttpFault =>
  (answer) =>
    Effect.gen(function* () {
      const half = Duration.times(Duration.fromInputUnsafe(takes), 0.5)
      const work = yield* Effect.forkDetach(Effect.delay(answer, half))
      const response = yield* Fiber.join(work)
      return yield* Effect.delay(Effect.succeed(response), half)
    })

/** The workspace does what it is asked, and its answer never comes. */
export const answerLost: HttpFault = (answer) => Effect.andThen(answer, Effect.never)

/** Nothing comes of the request. */
export const silence: HttpFault = () => Effect.never

/** Nobody is there. */
export const refused: HttpFault = (_answer, request) => Effect.fail(transport(request, "connect ECONNREFUSED"))

/** A workspace that fails over knows none of its runs. */
export const forgetful: HttpFault = instead(
  HttpServerResponse.jsonUnsafe(
    { error_code: "RESOURCE_DOES_NOT_EXIST", message: "Run does not exist." },
    { status: 404 }
  )
)

/** Databricks is there and says that it is down. */
export const down: HttpFault = instead(refusal(503))

/** Databricks is there and has been asked too much. */
export const tooMany: HttpFault = instead(refusal(429))

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
  "connection refused": refused,
  "no such host": (_answer, request) => Effect.fail(transport(request, "getaddrinfo EAI_AGAIN")),
  "reset after the work": (answer, request) =>
    Effect.andThen(answer, Effect.fail(transport(request, "read ECONNRESET"))),
  "no answer": silence,
  "no answer after the work": answerLost,
  "answer after 2 s": slow("2 seconds"),
  "answer after 4 s": slow("4 seconds"),
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

/** A call to Databricks: its path, how many of the same there were before, and when it is made, in milliseconds. */
interface DatabricksCall {
  readonly path: string
  readonly before: number
  readonly at: number
}

/** What befalls a call for certain; none where chance decides. */
export type Weather = (call: DatabricksCall) => HttpFault | undefined

/** An HTTP client whose requests reach the workspace, most of them. */
export const http = (
  answer: (request: Request) => Effect.Effect<HttpServerResponse.HttpServerResponse>,
  probability: Effect.Effect<number>,
  tally: Tally,
  weather: Weather
) => {
  const same = new Map<string, number>()
  return Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) =>
      Effect.gen(function* () {
        const target = url.pathname.startsWith("/oidc/") ? "token" : "databricks"
        yield* tally.count(`${target} calls`)
        yield* Effect.sleep(yield* Random.nextIntBetween(5, 100))
        const call = `${url} ${request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""}`
        const before = same.get(call) ?? 0
        same.set(call, before + 1)
        const certain = weather({ path: url.pathname, before, at: yield* Clock.currentTimeMillis })
        const drew =
          certain === undefined
            ? yield* drawn(yield* probability, target === "token" ? httpFaults : jobsFaults)
            : undefined
        if (drew !== undefined) yield* tally.count(`${target} fault: ${drew[0]}`)
        const fault = certain ?? drew?.[1]
        const response = yield* fault === undefined ? answer(request) : fault(answer(request), request)
        return HttpServerResponse.toClientResponse(response, { request })
      })
    )
  )
}

const unavailable = (detail: string) =>
  Effect.fail(new Kubernetes.KubernetesError({ reason: new Kubernetes.Unavailable({ detail }) }))

type KubernetesFault = <A>(
  answer: Effect.Effect<A, Kubernetes.KubernetesError>
) => Effect.Effect<A, Kubernetes.KubernetesError>

// As the adapter tells of them: it asks again where there is no answer within two seconds.
const kubernetesFaults: Readonly<Record<string, KubernetesFault>> = {
  "429": () => unavailable("answered 429"),
  "500": () => unavailable("answered 500"),
  "503": () => unavailable("answered 503"),
  "connection refused": () => unavailable("connect ECONNREFUSED"),
  "no answer": (answer) => Effect.delay(answer, "2 seconds"),
  "answer after 4 s": (answer) => Effect.delay(answer, "4 seconds")
}

/** The cluster, whose API server answers most of the time. */
export const kubernetes = (
  cluster: Layer.Layer<Kubernetes.Kubernetes>,
  probability: Effect.Effect<number>,
  tally: Tally,
  takes: Duration.Input = Duration.zero
) =>
  Layer.effect(
    Kubernetes.Kubernetes,
    Effect.gen(function* () {
      const { cluster: name, apiAudiences, ...real } = yield* Kubernetes.Kubernetes
      const perhaps = Effect.fnUntraced(function* <A>(answer: Effect.Effect<A, Kubernetes.KubernetesError>) {
        yield* tally.count("kubernetes calls")
        yield* Effect.sleep(yield* Random.nextIntBetween(2, 30))
        yield* Effect.sleep(takes)
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
