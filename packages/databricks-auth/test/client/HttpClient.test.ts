/** Effect's `HttpClient` with the headers of a credential: what is sent, where to, and how often. */
import { assert, describe, it } from "@effect/vitest"
import { ConnectorSettings, DatabricksAuth, PatSource } from "@flyte-databricks/databricks-auth"
import { Effect, Layer, Redacted, Stream } from "effect"
import { FetchHttpClient, HttpBody, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { httpClient } from "../../src/client/adapters/effect.ts"

const origin = "https://dbc-1.cloud.databricks.com"

interface Sent {
  readonly url: string
  readonly method: string | undefined
  readonly redirect: string | undefined
  readonly headers: Readonly<Record<string, string>>
}

/** Does something with a client whose requests are kept and get these answers; the last one again and again. */
const using = <A, E>(
  answers: ReadonlyArray<() => Response>,
  use: (
    client: Effect.Success<ReturnType<typeof httpClient>>,
    sent: ReadonlyArray<Sent>
  ) => Effect.Effect<A, E, DatabricksAuth.DatabricksAuth>,
  instance = origin
) => {
  const sent: Array<Sent> = []
  const fetch: typeof globalThis.fetch = async (input, { headers, method, redirect } = {}) => {
    const answer = answers[sent.length] ?? answers.at(-1)!
    sent.push({ url: String(input), method, redirect, headers: Object.fromEntries(new Headers(headers)) })
    return answer()
  }
  const boundary = DatabricksAuth.layerPat.pipe(
    Layer.provide([
      PatSource.layerMemory({ connector: Redacted.make("dapi") }),
      ConnectorSettings.layer({ instance, allowedInstances: [instance] })
    ]),
    Layer.provideMerge(FetchHttpClient.layer),
    Layer.provide(Layer.succeed(FetchHttpClient.Fetch, fetch))
  )
  return Effect.gen(function* () {
    const { resolve } = yield* DatabricksAuth.DatabricksAuth
    return yield* use(yield* httpClient(yield* resolve({})), sent)
  }).pipe(Effect.provide(boundary))
}

const ok = () => new Response("whole")
const refusal = () => new Response("Invalid access token.", { status: 403 })
const textOf = (response: HttpClientResponse.HttpClientResponse) => response.text

describe("Effect's HttpClient", () => {
  it.effect("sends the token and who it is, keeps what else the caller says, and follows no redirect", () =>
    using([() => new Response(null, { status: 302, headers: { location: "https://example.com/" } })], (client, sent) =>
      Effect.gen(function* () {
        const { status } = yield* client.get("/api/x", { headers: { authorization: "Bearer mine", "x-mine": "1" } })
        assert.strictEqual(status, 302)
        const [{ headers, redirect, url }] = sent as [Sent]
        assert.deepStrictEqual([url, redirect], [`${origin}/api/x`, "manual"])
        assert.include(headers, { authorization: "Bearer dapi", "x-mine": "1" })
        assert.match(headers["user-agent"]!, /^flyte-databricks\/.* auth\/pat$/)
        assert.notProperty(headers, "x-databricks-workspace-id")
        yield* client.get("/api/x", { headers: { "user-agent": "mine/1" } })
        assert.strictEqual(sent[1]?.headers["user-agent"], "mine/1")
      })
    )
  )

  it.effect("says which workspace is meant, where its host serves several", () =>
    using(
      [ok],
      (client, sent) =>
        Effect.gen(function* () {
          yield* client.get("/api/x", { headers: { "x-databricks-workspace-id": "9" } })
          assert.strictEqual(sent[0]?.url, "https://acme.databricks.com/api/x")
          assert.strictEqual(sent[0]?.headers["x-databricks-workspace-id"], "1234")
        }),
      "https://acme.databricks.com/?o=1234"
    )
  )

  for (const [given, instance] of [
    ["https://example.com/a?b=c", "https://example.com"],
    ["no address", "no address"]
  ] as const) {
    it.effect(`sends the token to the workspace alone: not to ${given}`, () =>
      using([ok], (client, sent) =>
        Effect.gen(function* () {
          const exit = yield* Effect.result(client.get(given))
          assert.deepStrictEqual(sent, [])
          assert(exit._tag === "Failure" && exit.failure._tag === "AuthError")
          assert.deepInclude(exit.failure.reason, {
            _tag: "InstanceRefused",
            instance,
            why: `the credential is for ${origin}`,
            allowed: []
          })
        })
      )
    )
  }

  it.effect("takes what begins with a slash for a path", () =>
    using([ok], (client, sent) =>
      Effect.gen(function* () {
        yield* client.get("//example.com/a")
        assert.strictEqual(new URL(sent[0]!.url).origin, origin)
      })
    )
  )

  for (const status of [401, 403] as const) {
    it.effect(`sends a request once more where its token was refused, and no third time (${status})`, () =>
      using([() => new Response("Invalid access token.", { status })], (client, sent) =>
        Effect.gen(function* () {
          const response = yield* client.post("/api/x", { body: HttpBody.text("again") })
          assert.strictEqual(response.status, status)
          assert.strictEqual(yield* textOf(response), "Invalid access token.")
          assert.strictEqual(sent.length, 2)
        })
      )
    )
  }

  it.effect("hands over the second answer", () =>
    using([refusal, ok], (client) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* Effect.flatMap(client.get("/api/x"), textOf), "whole")
      })
    )
  )

  it.effect("sends a stream once, and hands over that its token was refused", () =>
    using([refusal, ok], (client, sent) =>
      Effect.gen(function* () {
        const body = HttpBody.stream(Stream.make(new TextEncoder().encode("once")))
        const response = yield* client.execute(HttpClientRequest.post("/api/x", { body }))
        assert.deepStrictEqual([response.status, sent.length], [403, 1])
      })
    )
  )

  it.effect("leaves a 403 about permissions alone, and its text", () =>
    using([() => new Response("Not yours.", { status: 403 })], (client, sent) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* Effect.flatMap(client.get("/api/x"), textOf), "Not yours.")
        assert.strictEqual(sent.length, 1)
      })
    )
  )

  it.effect("hands over a 403 whose body breaks off", () =>
    using(
      [() => new Response(new ReadableStream({ pull: (stream) => stream.error(new Error("reset")) }), { status: 403 })],
      (client, sent) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* client.get("/api/x")).status, 403)
          assert.strictEqual(sent.length, 1)
        })
    )
  )

  it.effect("reads no other answer: whoever asked has it as a stream", () =>
    using([ok], (client) =>
      Effect.gen(function* () {
        const response = yield* client.get("/api/x")
        assert.strictEqual(yield* Stream.mkString(Stream.decodeText(response.stream)), "whole")
      })
    )
  )
})
