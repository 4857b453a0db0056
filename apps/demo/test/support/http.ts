/**
 * Requests with headers that a client would not let one set.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer, Redacted } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer, request, type OutgoingHttpHeaders } from "node:http"
import * as Access from "../../src/Access.ts"
import * as Server from "../../src/Server.ts"
import * as memory from "./memory.ts"

export const port = Effect.map(HttpServer.HttpServer, ({ address }) => ("port" in address ? address.port : 0))

/** The service on a free port of loopback, on memory; with a token, callers have to bring it. */
export const serving = (token?: string) =>
  HttpRouter.serve(Server.routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provide(memory.layer),
    Layer.provide(Layer.succeed(Access.Expected, token === undefined ? token : Redacted.make(token))),
    Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { host: "127.0.0.1", port: 0 }))
  )

export const send = Effect.fnUntraced(function* (
  method: string,
  path: string,
  { headers = {}, body }: { readonly headers?: OutgoingHttpHeaders; readonly body?: string } = {}
) {
  const options = { host: "127.0.0.1", port: yield* port, method, path, headers: { connection: "close", ...headers } }
  return yield* Effect.callback<{
    readonly status: number
    readonly type: string
    readonly headers: NodeJS.Dict<string | Array<string>>
    readonly text: string
  }>((resume) => {
    const sent = request(options, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => (text += chunk))
      response.on("end", () =>
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            type: String(response.headers["content-type"] ?? "").replace(/;.*/, ""),
            headers: response.headers,
            text
          })
        )
      )
    })
    sent.on("error", (error) => resume(Effect.die(error)))
    sent.end(body)
  })
})
