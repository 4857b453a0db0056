import { Forbidden, Kubernetes, KubernetesError, Unavailable } from "@flyte-databricks/databricks-auth/Kubernetes"
import { Fault, type FaultAction, KubernetesApi } from "@flyte-databricks/emulators"
import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude, assertNone, assertTrue } from "@effect/vitest/utils"
import { Duration, Effect, Fiber, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { gzipSync } from "node:zlib"
import { KubernetesClient } from "@flyte-databricks/kubernetes"
import * as Emulated from "./support/emulated.ts"
import { httpServer } from "./support/servers.ts"

const secrets = [{ namespace: "team-a", name: "databricks-token", data: { token: "dapi-very-secret" } }]

const read = Kubernetes.use(({ readSecret }) => readSecret("team-a", "databricks-token"))

/** What a read says when the API server has this fault; the time is that of the test's clock. */
const failureOf = (action: FaultAction) =>
  Effect.gen(function* () {
    const api = yield* KubernetesApi.KubernetesApi
    yield* api.faults.add({ action })
    const error = yield* Effect.flip(read)
    assertEquals(error._tag, "KubernetesError")
    assertTrue(!error.message.includes(Redacted.value(api.token)))
    assertTrue(!error.message.includes("dapi-very-secret"))
    return { reason: error.reason, url: api.url }
  }).pipe(Effect.provide(Emulated.layer({ secrets })))

const status = (code: number, fields: Record<string, unknown>) =>
  Fault.status(code, { body: { kind: "Status", apiVersion: "v1", status: "Failure", code, ...fields } })

describe("an answer that says nothing about the Secret is unavailable, and tells what came", () => {
  const cases: ReadonlyArray<readonly [string, FaultAction, string]> = [
    [
      "429",
      Fault.status(429),
      "answered 429 TooManyRequests: the server has received too many requests and has asked us to try again later"
    ],
    [
      "500",
      Fault.status(500),
      "answered 500 InternalError: an error on the server has prevented the request from succeeding"
    ],
    ["503", Fault.status(503), "answered 503 ServiceUnavailable: the server is currently unable to handle the request"],
    ["a status without a message", status(500, { reason: "InternalError" }), "answered 500 InternalError: no message"],
    ["a gateway's 502", Fault.html(502), "answered 502 without a Kubernetes Status"],
    [
      "401, also after the credentials were read again",
      Fault.status(401),
      "answered 401: it does not accept the connector's credentials"
    ],
    ["a proxy's 404", Fault.html(404), "answered 404 without a Kubernetes Status"],
    ["a proxy's empty 404", Fault.emptyBody(404), "answered 404 without a Kubernetes Status"],
    [
      "a 404 in JSON that is not Kubernetes'",
      Fault.status(404, { body: { error: "nope" } }),
      "answered 404 without a Kubernetes Status"
    ],
    [
      "the 404 of a path that is not served",
      Fault.status(404),
      "answered 404 NotFound: the server could not find the requested resource"
    ],
    ["a proxy's 403", Fault.html(403), "answered 403 without a Kubernetes Status"],
    [
      "a 403 for an anonymous caller",
      status(403, { reason: "Forbidden", message: 'secrets "x" is forbidden: User "system:anonymous" cannot get it' }),
      'answered 403 Forbidden: secrets "x" is forbidden: User "system:anonymous" cannot get it'
    ],
    ["a login page", Fault.html(), "answered 200 with text/html in place of JSON"],
    ["an empty answer", Fault.emptyBody(), "answered 200 with no content type in place of JSON"],
    ["an answer cut off in JSON", Fault.malformedJson, "answered with malformed JSON"],
    [
      "JSON of another kind",
      Fault.status(200, { body: { ok: true } }),
      "answered with JSON that is not what was asked for"
    ],
    [
      "a list",
      Fault.status(200, { body: { kind: "SecretList", items: [] } }),
      "answered with JSON that is not what was asked for"
    ],
    [
      "JSON null",
      Fault.status(200, { headers: { "content-type": "application/json" }, body: null }),
      "answered with JSON that is not what was asked for"
    ],
    ["text", Fault.status(200, { body: "Secret" }), "answered 200 with text/plain in place of JSON"],
    ["a reset", Fault.connectionReset, "could not be asked: the connection failed with ECONNRESET"],
    [
      "an answer cut off by the connection",
      Fault.truncatedBody,
      "could not be asked: the connection failed with UND_ERR_SOCKET"
    ],
    ["an answer without end", Fault.endlessBody, "answered 200 with more than 4194304 bytes"]
  ]
  it.effect.each(cases)("%s", ([, action, told]) =>
    Effect.gen(function* () {
      const { reason, url } = yield* failureOf(action)
      assertEquals(reason, new Unavailable({ detail: `${url} ${told} (after 0 ms)` }))
    })
  )
})

describe("an answer about the Secret", () => {
  it.effect("is forbidden in the API server's own words", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      yield* api.setRules([])
      const detail =
        `secrets "databricks-token" is forbidden: User "${api.username}" cannot get resource "secrets" ` +
        'in API group "" in the namespace "team-a"'
      assertEquals(yield* Effect.flip(read), new KubernetesError({ reason: new Forbidden({ detail }) }))
    }).pipe(Effect.provide(Emulated.layer({ secrets })))
  )

  it.effect("is absent where the API server names the Secret as not found", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      yield* api.faults.add({
        action: status(404, { reason: "NotFound", details: { name: "databricks-token", kind: "secrets" } })
      })
      assertNone(yield* read)
    }).pipe(Effect.provide(Emulated.layer({ secrets })))
  )

  it.effect.each(["..", ".", "", "a/../../b", "?x", "%2e%2e"])("is never made of the name %j", (name) =>
    Effect.gen(function* () {
      const kubernetes = yield* Kubernetes
      const outcome = yield* Effect.result(kubernetes.readSecret("team-a", name))
      // Names with a meaning in a path end up at another one, which gives no Secret; all others are just not there.
      if (outcome._tag === "Success") assertNone(outcome.success)
      else assertEquals(outcome.failure.reason._tag, "Unavailable")
    }).pipe(Effect.provide(Emulated.layer({ secrets })))
  )
})

describe("an answer that does not come", () => {
  it.effect("is unavailable once the time is over, 30 seconds by default", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const gate = yield* api.faults.hold({})
      const fiber = yield* Effect.forkChild(Effect.flip(read))
      yield* gate.arrived
      yield* TestClock.adjust("30 seconds")
      const { reason } = yield* Fiber.join(fiber)
      assertEquals(reason, new Unavailable({ detail: `${api.url} gave no answer in time (after 30000 ms)` }))
    }).pipe(Effect.provide(Emulated.layer({ secrets })))
  )

  it.effect("is asked for again after two seconds, beside the first request", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      yield* api.faults.add({ action: Fault.delay("1 hour"), times: 1 })
      const fiber = yield* Effect.forkChild(read)
      yield* api.requests.waitFor({})
      yield* TestClock.adjust("1999 millis")
      assertEquals(yield* api.requests.count({}), 1)
      yield* TestClock.adjust("1 millis")
      assertTrue(Option.isSome(yield* Fiber.join(fiber)))
      assertEquals(yield* api.requests.count({}), 2)
    }).pipe(Effect.provide(Emulated.layer({ secrets })))
  )

  it.effect("is unavailable when its bytes trickle in for too long", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      yield* api.faults.add({ action: Fault.slowBody("1 second") })
      const fiber = yield* Effect.forkChild(Effect.flip(read))
      yield* api.requests.waitFor({})
      yield* TestClock.adjust("30 seconds")
      assertInclude((yield* Fiber.join(fiber)).message, "gave no answer in time (after 30000 ms)")
    }).pipe(Effect.provide(Emulated.layer({ secrets })))
  )

  it.effect("is waited for as long as RequestTimeout says", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.KubernetesApi
      const gate = yield* api.faults.hold({})
      const fiber = yield* Effect.forkChild(Effect.flip(read))
      yield* gate.arrived
      yield* TestClock.adjust("40 millis")
      assertInclude((yield* Fiber.join(fiber)).message, "(after 40 ms)")
    }).pipe(
      Effect.provide(Emulated.layer({ secrets })),
      Effect.provideService(KubernetesClient.RequestTimeout, Duration.millis(40))
    )
  )

  it.effect("is unavailable where nothing listens", () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.scoped(httpServer(() => undefined))
      const text = Emulated.kubeconfig({
        cluster: { server: url, "insecure-skip-tls-verify": true },
        user: { token: "t" }
      })
      const { reason } = yield* Effect.flip(read).pipe(Effect.provide(Emulated.layerKubeconfig(text)))
      const told = "could not be asked: the connection failed with ECONNREFUSED"
      assertEquals(reason, new Unavailable({ detail: `${url} ${told} (after 0 ms)` }))
    })
  )
})

describe("what a server says", () => {
  const message = Effect.fnUntraced(
    function* (of: (token: string) => string) {
      const api = yield* KubernetesApi.KubernetesApi
      const token = Redacted.value(api.token)
      yield* api.faults.add({ action: status(500, { reason: "InternalError", message: of(token) }) })
      return { token, message: (yield* Effect.flip(read)).message }
    },
    Effect.provide(Emulated.layer({ secrets }))
  )

  it.effect("is shown without the credentials that it echoes", () =>
    Effect.gen(function* () {
      const { message: text, token } = yield* message((token) => `bad header "Bearer ${token}"`)
      assertInclude(text, 'bad header "Bearer <redacted>"')
      assertTrue(!text.includes(token))
    })
  )

  it.effect("is shown on one line and cut to a length that a log can take", () =>
    Effect.gen(function* () {
      const { message: text } = yield* message(() => `first\n\u001b[31msecond ${"x".repeat(10_000)}`)
      assertInclude(text, "first second xxx")
      assertTrue(text.length < 700)
    })
  )

  it.effect("is bounded also after it was unpacked", () =>
    Effect.gen(function* () {
      const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, " "))
      const { url } = yield* httpServer((_request, response) => {
        response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(bomb)
      })
      const text = Emulated.kubeconfig({
        cluster: { server: url, "insecure-skip-tls-verify": true },
        user: { token: "t" }
      })
      const error = yield* Effect.flip(read).pipe(Effect.provide(Emulated.layerKubeconfig(text)))
      assertInclude(error.message, "answered 200 with more than 4194304 bytes")
    })
  )
})
