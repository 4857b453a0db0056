/** The `fetch` of the client, over one that keeps what it is given: what is sent, and what becomes of the answer. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { pat } from "../../src/client.ts"
import { clientOf, rejection } from "./support.ts"

const host = "https://dbc-1.cloud.databricks.com"

/** A client whose requests get these answers; the last one again and again. */
const answering = (...answers: ReadonlyArray<() => Response>) =>
  Effect.gen(function* () {
    const sent: Array<readonly [input: Parameters<typeof fetch>[0], init: RequestInit]> = []
    const send: typeof fetch = async (input, init = {}) => {
      const answer = answers[sent.length] ?? answers.at(-1)!
      sent.push([input, init])
      return answer()
    }
    const client = yield* clientOf({ host, auth: pat("dapi"), fetch: send })
    const headersOf = (index: number) => Object.fromEntries(new Headers(sent[index]?.[1].headers))
    return { client, headersOf, sent }
  })

const ok = () => new Response("ok")
const refusal = () => new Response("Invalid access token.", { status: 403 })

describe("a request", () => {
  it.effect("is the caller's, with the token, and with this library's name where it has none", () =>
    Effect.gen(function* () {
      const { client, headersOf, sent } = yield* answering(ok)
      yield* Effect.promise(() => client.fetch("/api/x?y=1", { method: "POST", body: "b", headers: { "x-mine": "1" } }))
      const [[input, init]] = sent as [(typeof sent)[0]]
      assert.strictEqual(String(input), `${host}/api/x?y=1`)
      assert.include(init, { method: "POST", body: "b", redirect: "manual" })
      const { "user-agent": agent, ...others } = headersOf(0)
      assert.deepStrictEqual(others, { "x-mine": "1", authorization: "Bearer dapi" })
      assert.match(agent!, /^flyte-databricks\/.* auth\/pat$/)
    })
  )

  it.effect("that is a Request keeps its headers, unless others are given", () =>
    Effect.gen(function* () {
      const { client, headersOf, sent } = yield* answering(ok)
      const request = new Request(`${host}/api/x`, { headers: { "x-mine": "1", "user-agent": "mine/1" } })
      yield* Effect.promise(() => client.fetch(request))
      assert.strictEqual(sent[0]?.[0], request)
      assert.deepStrictEqual(headersOf(0), { "x-mine": "1", "user-agent": "mine/1", authorization: "Bearer dapi" })
      yield* Effect.promise(() => client.fetch(request, { headers: { "user-agent": "other/1" } }))
      assert.deepStrictEqual(headersOf(1), { "user-agent": "other/1", authorization: "Bearer dapi" })
    })
  )

  it.effect("follows no redirect, or fails at one where the caller wants that", () =>
    Effect.gen(function* () {
      const { client, sent } = yield* answering(ok)
      const at = (redirect: "error" | "follow") => new Request(`${host}/api/x`, { redirect })
      for (const [input, init] of [
        [at("follow"), {}],
        [at("error"), {}],
        [at("error"), { redirect: "manual" }],
        ["/api/x", { redirect: "error" }],
        ["/api/x", undefined]
      ] as const) {
        yield* Effect.promise(() => client.fetch(input, init))
      }
      assert.deepStrictEqual(
        sent.map(([, init]) => init.redirect),
        ["manual", "error", "manual", "error", "manual"]
      )
    })
  )

  for (const [address, to] of [
    ["https://example.com/a", "https://example.com"],
    ["http://[", "no address"]
  ] as const) {
    it.effect(`to ${address} is refused in words that say where it may go`, () =>
      Effect.gen(function* () {
        const { client, sent } = yield* answering(ok)
        const { code, message } = yield* rejection(() => client.fetch(address))
        assert.strictEqual(code, "origin_foreign")
        assert.strictEqual(
          message,
          `The token goes to ${host} alone, and this request to ${to}. ` +
            "Send it with the fetch of the runtime, or make a client for that host."
        )
        assert.deepStrictEqual(sent, [])
      })
    )
  }

  const form = new FormData()
  form.set("a", "b")
  const bytes = new TextEncoder().encode("bytes")
  for (const [what, body] of [
    ["text", "text"],
    ["nothing", null],
    ["a form", form],
    ["parameters", new URLSearchParams("a=b")],
    ["bytes", bytes],
    ["a buffer", bytes.buffer],
    ["a blob", new Blob(["blob"])]
  ] as const) {
    it.effect(`whose body is ${what} is sent again after its token was refused`, () =>
      Effect.gen(function* () {
        const { client, sent } = yield* answering(refusal, ok)
        const answer = yield* Effect.promise(() => client.fetch("/api/x", { method: "POST", body }))
        assert.deepStrictEqual([answer.status, sent.map(([, init]) => init.body)], [200, [body, body]])
      })
    )
  }

  const pieces = async function* () {
    yield bytes
  }
  // Not every runtime can iterate over its streams.
  const reader = { getReader: () => ({}) }
  for (const [what, body] of [
    ["a stream", new Blob(["blob"]).stream()],
    ["a stream that can only be read", reader],
    ["pieces", pieces()]
  ] as const) {
    it.effect(`whose body is ${what} is sent once`, () =>
      Effect.gen(function* () {
        const { client, sent } = yield* answering(refusal, ok)
        const init = { method: "POST", body, duplex: "half" } as unknown as RequestInit
        const answer = yield* Effect.promise(() => client.fetch("/api/x", init))
        assert.deepStrictEqual([answer.status, sent.length], [403, 1])
        assert.strictEqual(yield* Effect.promise(() => answer.text()), "Invalid access token.")
      })
    )
  }

  it.effect("that is a Request is sent once where it has a body, and again where another is given or none", () =>
    Effect.gen(function* () {
      const request = () => new Request(`${host}/api/x`, { method: "POST", body: "b" })
      for (const [input, init, times] of [
        [request(), {}, 1],
        [request(), { body: "other" }, 2],
        [new Request(`${host}/api/x`), {}, 2]
      ] as const) {
        const { client, sent } = yield* answering(refusal, ok)
        yield* Effect.promise(() => client.fetch(input, init))
        assert.strictEqual(sent.length, times)
      }
    })
  )
})

describe("an answer", () => {
  /** A body in these pieces, which then ends or stays open; and whether it was cancelled. */
  const body = (pieces: ReadonlyArray<string>, isOpen = false) => {
    const left = [...pieces]
    const state = { isCancelled: false }
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        const next = left.shift()
        if (next !== undefined) controller.enqueue(new TextEncoder().encode(next))
        else if (isOpen) return new Promise<void>(() => {})
        else controller.close()
      },
      cancel: () => {
        state.isCancelled = true
      }
    })
    return { state, stream }
  }

  it.effect("that refuses the token is dropped for the one to the second request", () =>
    Effect.gen(function* () {
      const { state, stream } = body(["no"], true)
      const { client } = yield* answering(() => new Response(stream, { status: 401 }), ok)
      const answer = yield* Effect.promise(() => client.fetch("/api/x"))
      assert.strictEqual(yield* Effect.promise(() => answer.text()), "ok")
      assert.isTrue(state.isCancelled)
    })
  )

  for (const [status, times] of [
    [401, 2],
    [403, 1]
  ] as const) {
    it.effect(`of ${status} may have no body`, () =>
      Effect.gen(function* () {
        const { client, sent } = yield* answering(() => new Response(null, { status }))
        const answer = yield* Effect.promise(() => client.fetch("/api/x"))
        assert.deepStrictEqual([answer.status, sent.length], [status, times])
      })
    )
  }

  it.effect("is handed over as it comes: of no other status its body is waited for", () =>
    Effect.gen(function* () {
      const { stream } = body([], true)
      const { client } = yield* answering(() => new Response(stream))
      assert.strictEqual((yield* Effect.promise(() => client.fetch("/api/x"))).status, 200)
    })
  )

  const begin = "x".repeat(9_980)
  for (const [what, pieces, times] of [
    ["in pieces", ["Invalid acc", "ess token."], 2],
    ["within its first 10,000 characters", [`${begin}invalid access`, " token"], 2],
    ["behind them", [`${begin}.`, "invalid access token"], 1]
  ] as const) {
    it.effect(`of 403 says ${what} that the token is refused: ${times} requests`, () =>
      Effect.gen(function* () {
        const { client, sent } = yield* answering(() => new Response(body(pieces).stream, { status: 403 }))
        const answer = yield* Effect.promise(() => client.fetch("/api/x"))
        assert.strictEqual(yield* Effect.promise(() => answer.text()), pieces.join(""))
        assert.strictEqual(sent.length, times)
      })
    )
  }

  it.effect("of 403 that goes on and on is waited for no longer than that, and ends when its reader ends it", () =>
    Effect.gen(function* () {
      const { state, stream } = body(["x".repeat(10_000)], true)
      const { client } = yield* answering(() => new Response(stream, { status: 403 }))
      const answer = yield* Effect.promise(() => client.fetch("/api/x"))
      assert.isFalse(state.isCancelled)
      yield* Effect.promise(() => answer.body!.cancel())
      assert.isTrue(state.isCancelled)
    })
  )
})
