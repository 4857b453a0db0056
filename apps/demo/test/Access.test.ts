import { assert, describe, it } from "@effect/vitest"
import { assertEquals, assertInclude } from "@effect/vitest/utils"
import { Effect } from "effect"
import { request, type OutgoingHttpHeaders } from "node:http"
import { port, send, serving } from "./support/http.ts"
import * as memory from "./support/memory.ts"

const submit = (headers: Record<string, string>) =>
  send("POST", "/api/runs", {
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ namespace: "search" })
  })

describe("the service on loopback", () => {
  it.effect("serves the page, which loads nothing from elsewhere and has nothing inline", () =>
    Effect.gen(function* () {
      const page = yield* send("GET", "/")
      assertEquals([page.status, page.type], [200, "text/html"])
      assert.notMatch(page.text, /<style|style=|<script(?![^>]* src=)| on\w+=|https?:/)
      const policy = String(page.headers["content-security-policy"])
      for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]) {
        assertInclude(policy, rule)
      }
      assert.notInclude(policy, "unsafe")
      const assets = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path)
      const library = ["lit-html/lit-html.js", "lit-html/directives/repeat.js", "badge.js"]
      for (const path of [...assets, ...library].filter((path) => path !== undefined)) {
        assertEquals([path, (yield* send("GET", `/${path}`)).status], [path, 200])
      }
    }).pipe(Effect.provide(serving(), { local: true }))
  )

  it.effect("gives out nothing but the page's files", () =>
    Effect.gen(function* () {
      for (const path of [
        "/../package.json",
        "/%2e%2e/package.json",
        "/lit-html/../../package.json",
        "/..%2fsrc/main.ts"
      ]) {
        assertEquals([path, (yield* send("GET", path)).status], [path, 404])
      }
    }).pipe(Effect.provide(serving(), { local: true }))
  )

  it.effect("answers to localhost and to addresses, and to no name that was rebound to one", () =>
    Effect.gen(function* () {
      for (const host of ["localhost", "127.0.0.1", "[::1]"]) {
        assertEquals(
          [host, (yield* send("GET", "/api/health", { headers: { host: `${host}:${yield* port}` } })).status],
          [host, 200]
        )
      }
      for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example"]) {
        const refused = yield* send("GET", "/api/platform", { headers: { host } })
        assertEquals([host, refused.status, refused.type], [host, 421, "application/problem+json"])
        assert.notInclude(refused.text, memory.instance)
      }
    }).pipe(Effect.provide(serving(), { local: true }))
  )

  it.effect("lets its own page and programs call the API, and no page of another site", () =>
    Effect.gen(function* () {
      const own = `http://localhost:${yield* port}`
      const host = `localhost:${yield* port}`
      assertEquals((yield* submit({})).status, 201)
      assertEquals((yield* submit({ host, origin: own, "sec-fetch-site": "same-origin" })).status, 201)
      for (const foreign of [
        { host, origin: "http://evil.example" },
        { host, origin: "null" },
        { host, origin: "http://localhost:1" },
        { host, "sec-fetch-site": "cross-site" },
        { host, "sec-fetch-site": "same-site" }
      ]) {
        const refused = yield* submit(foreign)
        assertEquals([foreign, refused.status, refused.type], [foreign, 403, "application/problem+json"])
      }
      const link = yield* send("GET", "/", { headers: { "sec-fetch-site": "cross-site" } })
      assertEquals(link.status, 200)
    }).pipe(Effect.provide(serving(), { local: true }))
  )
})

describe("the service on another address", () => {
  it.effect("wants the token, but for the page and its health", () =>
    Effect.gen(function* () {
      for (const headers of [{}, { authorization: "Bearer wrong" }, { authorization: "Basic the-token" }]) {
        const refused = yield* send("GET", "/api/tokens", { headers })
        assertEquals([headers, refused.status, refused.type], [headers, 401, "application/problem+json"])
      }
      assertEquals((yield* submit({})).status, 401)
      assertEquals((yield* send("GET", "/api/tokens", { headers: { authorization: "Bearer the-token" } })).status, 200)
      assertEquals((yield* submit({ authorization: "Bearer the-token" })).status, 201)
      assertEquals((yield* send("GET", "/")).status, 200)
      assertEquals((yield* send("GET", "/api/health")).status, 200)
    }).pipe(Effect.provide(serving("the-token"), { local: true }))
  )
})

describe("a body", () => {
  const post = Effect.fnUntraced(function* (pieces: number, headers: OutgoingHttpHeaders = {}) {
    const options = { host: "127.0.0.1", port: yield* port, method: "POST", path: "/api/runs" }
    return yield* Effect.callback<{ readonly status: number; readonly sent: number }>((resume) => {
      let sent = 0
      let status = 0
      const sending = request(
        { ...options, headers: { "content-type": "application/json", ...headers } },
        (response) => {
          status = response.statusCode ?? 0
          response.resume()
        }
      )
      sending.on("error", () => undefined)
      sending.on("close", () => resume(Effect.succeed({ status, sent })))
      const piece = Buffer.alloc(64 * 1024, " ")
      const write = (): void => {
        if (sent === pieces || sending.destroyed) return void sending.end()
        sent += 1
        sending.write(piece, write)
      }
      write()
    })
  })

  it.effect("of more than a task can have is refused, and no more of it is read", () =>
    Effect.gen(function* () {
      for (const headers of [{}, { "content-length": 10_000 * 64 * 1024 }]) {
        const { status, sent } = yield* post(10_000, headers)
        assert.include([0, 400, 413], status)
        assert.isBelow(sent, 500)
      }
      assertEquals((yield* submit({})).status, 201)
    }).pipe(Effect.provide(serving(), { local: true }))
  )
})
