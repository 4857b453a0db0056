import { Kubernetes, Unavailable } from "@flyte-databricks/databricks-auth/Kubernetes"
import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude, assertNone, assertTrue } from "@effect/vitest/utils"
import { Duration, Effect, Option, Redacted } from "effect"
import { text } from "node:stream/consumers"
import * as Emulated from "./support/emulated.ts"
import { httpServer } from "./support/servers.ts"

/** An API server that gives this answer to everything, the requests it got, and the service on it. */
const answering = Effect.fnUntraced(function* (status: number, body: unknown) {
  const requests: Array<{ readonly method: string; readonly path: string; readonly body: string }> = []
  const { url } = yield* httpServer(async (request, response) => {
    requests.push({ method: request.method ?? "", path: request.url ?? "", body: await text(request) })
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
  })
  const cluster = { server: url, "insecure-skip-tls-verify": true }
  const layer = Emulated.layerKubeconfig(Emulated.kubeconfig({ cluster, user: { token: "connector-token" } }))
  return { url, requests, layer }
})

const status = (code: number, fields: Record<string, unknown>) => ({
  kind: "Status",
  apiVersion: "v1",
  code,
  ...fields
})

const list = Kubernetes.use(({ listServiceAccounts }) =>
  listServiceAccounts("team-a", "flyte.org/databricks-enabled=true")
)

describe("the ServiceAccounts of a namespace", () => {
  const annotations = { "flyte.org/databricks-client-id": "sp-1" }

  it.effect("are asked for by label selector, and come with their annotations", () =>
    Effect.gen(function* () {
      const items = [
        { metadata: { name: "first", annotations, labels: { "flyte.org/databricks-enabled": "true" } } },
        { metadata: { name: "second", creationTimestamp: "2026-01-01T00:00:00Z" } }
      ]
      const { layer, requests } = yield* answering(200, { kind: "ServiceAccountList", metadata: {}, items })
      assertEquals(yield* Effect.provide(list, layer), [
        { name: "first", annotations },
        { name: "second", annotations: {} }
      ])
      const path = "/api/v1/namespaces/team-a/serviceaccounts?labelSelector=flyte.org%2Fdatabricks-enabled%3Dtrue"
      assertEquals(requests, [{ method: "GET", path, body: "" }])
    })
  )

  it.effect("may be none", () =>
    Effect.gen(function* () {
      const { layer } = yield* answering(200, { kind: "ServiceAccountList", metadata: { continue: "" }, items: [] })
      assertEquals(yield* Effect.provide(list, layer), [])
    })
  )

  it.effect("are unavailable where only a part of them is told", () =>
    Effect.gen(function* () {
      const metadata = { continue: "next-page" }
      const { layer } = yield* answering(200, { kind: "ServiceAccountList", metadata, items: [] })
      assertEquals((yield* Effect.flip(list).pipe(Effect.provide(layer))).reason._tag, "Unavailable")
    })
  )

  it.effect("are forbidden where the right to list them is missing", () =>
    Effect.gen(function* () {
      const message = 'serviceaccounts is forbidden: User "x" cannot list resource "serviceaccounts"'
      const { layer } = yield* answering(403, status(403, { reason: "Forbidden", message }))
      const { reason } = yield* Effect.flip(list).pipe(Effect.provide(layer))
      assertEquals([reason._tag, reason.detail], ["Forbidden", message])
    })
  )
})

const token = Kubernetes.use(({ createServiceAccountToken }) =>
  createServiceAccountToken("team-a", "runner", { audience: "databricks", lifetime: Duration.minutes(10) })
)

describe("a ServiceAccount's token", () => {
  it.effect("is asked for with its audience and lifetime, and comes redacted", () =>
    Effect.gen(function* () {
      const body = {
        kind: "TokenRequest",
        status: { token: "head.body.sign", expirationTimestamp: "2026-01-01T00:00:00Z" }
      }
      const { layer, requests } = yield* answering(201, body)
      const found = Option.getOrThrow(yield* Effect.provide(token, layer))
      assertEquals(Redacted.value(found), "head.body.sign")
      assertEquals(String(found), "<redacted:ServiceAccount token>")
      const { method, path, body: sent } = requests[0]!
      assertEquals([method, path], ["POST", "/api/v1/namespaces/team-a/serviceaccounts/runner/token"])
      assertEquals(JSON.parse(sent), { spec: { audiences: ["databricks"], expirationSeconds: 600 } })
    })
  )

  it.effect("is none where the ServiceAccount does not exist", () =>
    Effect.gen(function* () {
      const body = status(404, { reason: "NotFound", details: { name: "runner", kind: "serviceaccounts" } })
      const { layer } = yield* answering(404, body)
      assertNone(yield* Effect.provide(token, layer))
    })
  )

  it.effect("is unavailable where the answer holds none, and nothing of the answer is shown", () =>
    Effect.gen(function* () {
      const { layer, url } = yield* answering(201, { kind: "TokenRequest", status: { token: "", other: "leaked" } })
      const { reason } = yield* Effect.flip(token).pipe(Effect.provide(layer))
      const detail = `${url} answered with JSON that is not what was asked for (after 0 ms)`
      assertEquals(reason, new Unavailable({ detail }))
    })
  )

  it.effect("is unavailable in the API server's words where the request is invalid", () =>
    Effect.gen(function* () {
      const message = "spec.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes"
      const { layer } = yield* answering(422, status(422, { reason: "Invalid", message }))
      const error = yield* Effect.flip(token).pipe(Effect.provide(layer))
      assertTrue(error.reason._tag === "Unavailable")
      assertInclude(error.message, `answered 422 Invalid: ${message}`)
    })
  )
})
