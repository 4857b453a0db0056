import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as NodeHttp from "node:http"
import * as NodeHttps from "node:https"
import { Fault } from "../src/index.ts"
import { get } from "./support/http.ts"
import { jobs, notebook, withWorkspace } from "./support/workspace.ts"

const config = "/.well-known/databricks-config"

/** What happens on the wire, below what an HTTP client library makes of it. */
const raw = (url: string, ca?: string) =>
  Effect.callback<{ readonly event: string; readonly bytes: number; readonly announced: string | undefined }>(
    (resume) => {
      const client = ca === undefined ? NodeHttp : NodeHttps
      client
        .get(url, { ca }, (response) => {
          let bytes = 0
          const end = (event: string) =>
            resume(Effect.succeed({ event, bytes, announced: response.headers["content-length"] }))
          response.on("data", (chunk: Buffer) => {
            bytes += chunk.length
            if (bytes > 5_000_000) {
              response.destroy()
              end("stopped reading")
            }
          })
          response.on("end", () => end("end"))
          response.on("error", (error) => end(error.message))
        })
        .on("error", (error) => resume(Effect.succeed({ event: error.message, bytes: 0, announced: undefined })))
    }
  )

const tls = [false, true]

describe("a fault", () => {
  it.effect("answers with a status, headers and a body of its own", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ faults, url }) {
        yield* faults.add({
          path: config,
          action: Fault.status(429, {
            headers: { "retry-after": "7" },
            body: { errorCode: "E1", errorSummary: "slow down" }
          })
        })
        const reply = yield* get(`${url}${config}`)
        assert.deepStrictEqual(
          [reply.status, reply.headers["retry-after"], reply.json],
          [429, "7", { errorCode: "E1", errorSummary: "slow down" }]
        )
      })
    )
  )

  it.effect("answers with JSON of its own", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ faults, url }) {
        yield* faults.add({ times: 1, action: Fault.json({ error: "x" }) })
        yield* faults.add({ times: 1, action: Fault.json([1], 400) })
        const replies = [yield* get(`${url}${config}`), yield* get(`${url}${config}`)]
        assert.deepStrictEqual(
          replies.map(({ json, status }) => [status, json]),
          [
            [200, { error: "x" }],
            [400, [1]]
          ]
        )
      })
    )
  )

  it.effect("changes members of the emulator's own answer, and leaves the rest", () =>
    withWorkspace(
      { servicePrincipals: [{ applicationId: "sp", secrets: ["s"] }] },
      Effect.fnUntraced(function* ({ faults, url }) {
        const own = yield* get(`${url}${config}`)
        const patch = { cloud: null, added: { a: 1, b: null }, account_id: "", oidc_endpoint: { nested: true } }
        yield* faults.add({ path: config, action: Fault.mergePatch(patch) })
        const changed = yield* get(`${url}${config}`)
        const { cloud: _, ...left } = own.json
        assert.deepStrictEqual(changed.json, {
          ...left,
          added: { a: 1 },
          account_id: "",
          oidc_endpoint: { nested: true }
        })
        assert.strictEqual(changed.headers["content-type"], own.headers["content-type"])
        assert.strictEqual(changed.headers["content-length"], `${changed.text.length}`)

        // Status and headers stay those of the answer, also of an error.
        yield* faults.add({ action: Fault.mergePatch({ error: "changed" }) })
        const refused = yield* get(`${url}/oidc/v1/nothing`)
        assert.deepStrictEqual([refused.status, refused.json.error], [404, "changed"])
      })
    )
  )

  it.effect("keeps every digit of an answer that it changes", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        yield* workspace.faults.add({ path: "*/submit", action: Fault.mergePatch({ number_in_job: 1 }) })
        const { text } = yield* jobs(workspace).submit(notebook)
        assert.strictEqual(text, '{"run_id":9007199254740993,"number_in_job":1}')
      })
    )
  )

  it.effect("answers in the emulator's words where it has none", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ faults, url }) {
        yield* faults.add({ path: config, action: Fault.status(503) })
        const reply = yield* get(`${url}${config}`)
        assert.deepStrictEqual([reply.status, reply.json.error_code], [503, "TEMPORARILY_UNAVAILABLE"])
      })
    )
  )

  it.effect("sends text as text", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ faults, url }) {
        yield* faults.add({ action: Fault.status(502, { body: "Bad gateway" }) })
        const reply = yield* get(`${url}${config}`)
        assert.deepStrictEqual([reply.text, reply.headers["content-type"]], ["Bad gateway", "text/plain"])
      })
    )
  )

  it.effect("sends JSON that stops in the middle", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ faults, url }) {
        yield* faults.add({ path: config, action: Fault.malformedJson })
        const reply = yield* get(`${url}${config}`)
        assert.deepStrictEqual(
          [reply.status, reply.headers["content-type"], reply.json],
          [200, "application/json", undefined]
        )
        assert.match(reply.text, /^\{/)
      })
    )
  )

  it.effect("sends a login page, or nothing", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ faults, url }) {
        yield* faults.add({ times: 1, action: Fault.html(403) })
        yield* faults.add({ times: 1, action: Fault.emptyBody() })
        const page = yield* get(`${url}${config}`)
        assert.deepStrictEqual([page.status, page.headers["content-type"]], [403, "text/html"])
        assert.match(page.text, /^<!doctype html>/)
        const nothing = yield* get(`${url}${config}`)
        assert.deepStrictEqual([nothing.status, nothing.text], [200, ""])
      })
    )
  )

  it.effect("announces more than it sends", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ faults, url }) {
        yield* faults.add({ action: Fault.truncatedBody })
        const { announced, bytes, event } = yield* raw(`${url}${config}`)
        assert.strictEqual(event, "aborted")
        assert.isAbove(bytes, 0)
        assert.isBelow(bytes, Number(announced))
      })
    )
  )

  it.effect("sends without end, as long as the client reads", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ faults, url }) {
        yield* faults.add({ times: 1, action: Fault.endlessBody })
        const { announced, event } = yield* raw(`${url}${config}`)
        assert.deepStrictEqual([event, announced], ["stopped reading", undefined])
        // The emulator goes on serving once the client is gone.
        assert.strictEqual((yield* get(`${url}${config}`)).status, 200)
      })
    )
  )

  it.effect.each(tls)("resets the connection (https: %s)", (tls) =>
    withWorkspace(
      { tls },
      Effect.fnUntraced(function* ({ caPem, faults, requests, url }) {
        yield* faults.add({ action: Fault.connectionReset })
        const { event } = yield* raw(`${url}${config}`, caPem)
        assert.strictEqual(event, "read ECONNRESET")
        assert.strictEqual(yield* requests.count(), 1)
      })
    )
  )

  it.effect("delays on Effect's clock, then lets the request go on", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ faults, requests, url }) {
        yield* faults.add({ action: Fault.delay("10 seconds") })
        const reply = yield* Effect.forkChild(get(`${url}${config}`))
        yield* requests.waitFor({ path: config })
        yield* TestClock.adjust("9999 millis")
        assert.isUndefined(reply.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* Fiber.join(reply)).status, 200)
      })
    )
  )

  it.effect("lets go byte by byte", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ faults, requests, url }) {
        const whole = yield* get(`${url}${config}`)
        yield* faults.add({ action: Fault.slowBody("1 second") })
        const reply = yield* Effect.forkChild(get(`${url}${config}`))
        yield* requests.waitFor({ path: config }, 2)
        const { length } = whole.text
        yield* TestClock.adjust(`${length - 1} seconds`)
        assert.isUndefined(reply.pollUnsafe())
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(reply)).text, whole.text)
      })
    )
  )
})

describe("closing the emulator", () => {
  it.effect.each([
    ["a held request", undefined],
    ["an endless answer", Fault.endlessBody],
    ["a delay", Fault.delay("1 day")]
  ] as const)("does not wait for %s", ([, action]) =>
    Effect.gen(function* () {
      const client = yield* withWorkspace(
        {},
        Effect.fnUntraced(function* ({ faults, requests, url }) {
          if (action === undefined) yield* faults.hold({})
          else yield* faults.add({ action })
          const client = yield* Effect.forkDetach(raw(`${url}${config}`))
          yield* requests.waitFor({ path: config })
          return client
        })
      )
      assert.include(["socket hang up", "aborted", "stopped reading"], (yield* Fiber.join(client)).event)
    })
  )
})
