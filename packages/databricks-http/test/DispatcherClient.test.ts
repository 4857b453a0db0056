/** The HTTP client for Databricks, over real sockets: how bodies arrive, and what ends a connection. */
import { assert, describe, it } from "@effect/vitest"
import * as BoundedBody from "@flyte-databricks/databricks-auth/http/BoundedBody"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { HttpClientRequest } from "effect/http"
import * as Http from "node:http"
import { Agent } from "undici"
import * as DispatcherClient from "../src/DispatcherClient.ts"
import * as Network from "@flyte-databricks/emulators/testing/Network"

/** A client of a server that answers so. */
const answering = Effect.fnUntraced(function* (answer: Http.RequestListener) {
  const port = yield* Network.listening(Http.createServer(answer))
  const agent = yield* Effect.acquireRelease(
    Effect.sync(() => new Agent({ connections: 1 })),
    (agent) => Effect.promise(() => agent.destroy())
  )
  const client = DispatcherClient.make(agent, (fault) => fault)
  return {
    get: client.get(`http://127.0.0.1:${port}/a`, { urlParams: { b: "c d" } }),
    execute: (request: HttpClientRequest.HttpClientRequest) =>
      client.execute(HttpClientRequest.prependUrl(request, `http://127.0.0.1:${port}`))
  }
})

const textOf = (answer: Http.RequestListener) =>
  Effect.gen(function* () {
    const { get } = yield* answering(answer)
    const response = yield* get
    return { response, text: yield* BoundedBody.text(response, 4 * 1024 * 1024) }
  })

const long = "ä".repeat(100_000)

describe("a body arrives", () => {
  const cases: ReadonlyArray<readonly [string, string, boolean]> = [
    ["that says its length", "ä".repeat(100), true],
    ["that is in chunks", "ä".repeat(100), false],
    ["that is long and says so", long, true],
    ["that is long and in chunks", long, false],
    ["that is empty", "", false]
  ]
  it.live.each(cases)("%s", ([, body, announced]) =>
    Effect.gen(function* () {
      const { response, text } = yield* textOf((request, answer) => {
        if (announced) answer.setHeader("content-length", Buffer.byteLength(body))
        answer.setHeader("x-url", request.url ?? "")
        answer.write(body.slice(0, 10))
        answer.end(body.slice(10))
      })
      assert.strictEqual(text, body)
      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.headers["x-url"], "/a?b=c+d")
    }).pipe(Effect.scoped)
  )

  it.live("after its status, where that is an error", () =>
    Effect.gen(function* () {
      const { get } = yield* answering(
        (_, answer) => void answer.writeHead(503, { "content-length": 10 }).write("12345")
      )
      assert.strictEqual((yield* get).status, 503)
    }).pipe(Effect.scoped)
  )

  it.live("and a redirect is an answer", () =>
    Effect.gen(function* () {
      const { response } = yield* textOf((_, answer) => void answer.writeHead(302, { location: "/b" }).end())
      assert.strictEqual(response.status, 302)
      assert.strictEqual(response.headers["location"], "/b")
    }).pipe(Effect.scoped)
  )
})

describe("a request that is sent", () => {
  it.live("carries its method, headers and body", () =>
    Effect.gen(function* () {
      const { execute } = yield* answering((request, answer) => {
        request.setEncoding("utf8").once("data", (body: string) => {
          answer.end(`${request.method} ${request.headers["x-a"]} ${request.headers["content-type"]} ${body}`)
        })
      })
      const request = HttpClientRequest.post("/", { headers: { "x-a": "b" } }).pipe(
        HttpClientRequest.bodyText("text", "text/plain")
      )
      const response = yield* execute(request)
      assert.strictEqual(yield* response.text, "POST b text/plain text")
    }).pipe(Effect.scoped)
  )

  it.live("fails where the answer is cut off, at once or in the middle of a long one", () =>
    Effect.gen(function* () {
      for (const sent of ["12345", "x".repeat(200_000)]) {
        const error = yield* Effect.flip(
          textOf((_, answer) => {
            answer.writeHead(200, { "content-length": 300_000 })
            answer.write(sent, () => answer.destroy())
          })
        )
        assert.strictEqual(error._tag, "HttpClientError")
      }
    }).pipe(Effect.scoped)
  )

  it.live("to a URL that is none, or with a body that is a stream, is not", () =>
    Effect.gen(function* () {
      const { execute } = yield* answering((_, answer) => void answer.end())
      const stream = HttpClientRequest.post("/").pipe(HttpClientRequest.bodyStream(Stream.empty))
      assert.strictEqual((yield* Effect.flip(execute(stream))).reason._tag, "EncodeError")
      const none = HttpClientRequest.get("http://[").pipe(DispatcherClient.make(new Agent(), (fault) => fault).execute)
      assert.strictEqual((yield* Effect.flip(none)).reason._tag, "InvalidUrlError")
    }).pipe(Effect.scoped)
  )
})

describe("a connection ends", () => {
  // The server is told by its socket; there is one connection, so that a next request waits for that.
  const silent = Effect.gen(function* () {
    const asked = yield* Deferred.make<void>()
    const closed = yield* Deferred.make<void>()
    const services = yield* Effect.context<never>()
    const done = (deferred: Deferred.Deferred<void>) =>
      Effect.runForkWith(services)(Deferred.succeed(deferred, undefined))
    return { asked, closed, done }
  })

  it.live("with the request that is interrupted before an answer", () =>
    Effect.gen(function* () {
      const { asked, closed, done } = yield* silent
      const { get } = yield* answering(({ socket }) => {
        socket.once("close", () => done(closed))
        done(asked)
      })
      const fiber = yield* Effect.forkChild(get)
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(closed)
    }).pipe(Effect.scoped)
  )

  it.live("with a body that is longer than is wanted", () =>
    Effect.gen(function* () {
      const { closed, done } = yield* silent
      const { get } = yield* answering(({ socket }, answer) => {
        socket.once("close", () => done(closed))
        const more = (error?: Error | null) => void (error ?? answer.write("x".repeat(10_000), more))
        more()
      })
      const error = yield* Effect.flip(Effect.flatMap(get, (response) => BoundedBody.text(response, 500_000)))
      assert.strictEqual(error._tag, "BodyTooLarge")
      yield* Deferred.await(closed)
    }).pipe(Effect.scoped)
  )
})
