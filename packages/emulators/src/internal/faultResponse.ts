/**
 * Turns a fault's action into what goes over the wire; below HTTP where it must.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { FaultAction } from "../Faults.ts"
import * as exactJson from "./exactJson.ts"

const loginPage = `<!doctype html>
<html><head><title>Sign in</title></head><body><h1>Sign in to continue</h1></body></html>
`

const partialJson = `{"access_token": "cut off in mid-`

const json = (status: number, headers: Record<string, string>, body: unknown) =>
  HttpServerResponse.text(typeof body === "string" ? body : exactJson.stringify(body), {
    status,
    contentType: typeof body === "string" ? "text/plain" : "application/json",
    headers
  })

const endless = Stream.forever(Stream.succeed(new Uint8Array(16 * 1024).fill(0x20)))

const slowly = (bytes: Uint8Array, pause: Duration.Duration) =>
  Stream.fromIterable(bytes).pipe(
    Stream.rechunk(1),
    Stream.mapEffect((byte) => Effect.as(Effect.sleep(pause), Uint8Array.of(byte)))
  )

/** Slows down the emulator's own answer. */
const slow = (response: HttpServerResponse.HttpServerResponse, pause: Duration.Duration) => {
  const { body } = response
  if (body._tag !== "Uint8Array") return response
  return HttpServerResponse.stream(slowly(body.body, pause), {
    status: response.status,
    headers: response.headers,
    contentType: body.contentType,
    contentLength: body.body.byteLength
  })
}

type Members = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** RFC 7396 §2. */
const mergePatch = (target: unknown, patch: unknown): unknown => {
  if (!isObject(patch)) return patch
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name]
    else merged[name] = mergePatch(merged[name], value)
  }
  return merged
}

/** Changes the emulator's own answer; one that is not JSON stays as it is. */
const patched = (response: HttpServerResponse.HttpServerResponse, patch: unknown) => {
  const { body } = response
  if (body._tag !== "Uint8Array" || !/json/.test(body.contentType)) return response
  const { "content-length": _, ...headers } = response.headers
  const merged = mergePatch(exactJson.parse(new TextDecoder().decode(body.body)), patch)
  return HttpServerResponse.text(exactJson.stringify(merged), {
    status: response.status,
    headers,
    contentType: body.contentType
  })
}

/** The response has been dealt with on the socket; the server sees that it is destroyed and writes nothing. */
const alreadySent = HttpServerResponse.empty()

const truncate = (response: ServerResponse) =>
  Effect.callback<HttpServerResponse.HttpServerResponse>((resume) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "4096" })
    response.write(partialJson, () => {
      response.socket?.destroy()
      resume(Effect.succeed(alreadySent))
    })
  })

/** What the client gets for the action. `answer` is the emulator's own, `errorBody` its way to word an error. */
export const faultResponse = <E, R>(
  action: Exclude<FaultAction, { readonly type: "delay" }>,
  context: {
    readonly request: HttpServerRequest.HttpServerRequest
    readonly answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
    readonly errorBody: (status: number) => unknown
    readonly rawSocket: (socket: Socket) => Socket
  }
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R> => {
  const nodeResponse = () => NodeHttpServerRequest.toServerResponse(context.request) as ServerResponse
  switch (action.type) {
    case "status":
      return Effect.succeed(
        json(action.status, action.headers ?? {}, "body" in action ? action.body : context.errorBody(action.status))
      )
    case "malformed-json":
      return Effect.succeed(HttpServerResponse.text(partialJson, { contentType: "application/json" }))
    case "html":
      return Effect.succeed(
        HttpServerResponse.text(loginPage, { status: action.status ?? 200, contentType: "text/html" })
      )
    case "empty-body":
      return Effect.succeed(HttpServerResponse.empty({ status: action.status ?? 200 }))
    case "endless-body":
      return Effect.succeed(HttpServerResponse.stream(endless, { contentType: "application/json" }))
    case "truncated-body":
      return truncate(nodeResponse())
    case "slow-body":
      return Effect.map(context.answer, (response) => slow(response, action.pause))
    case "merge-patch":
      return Effect.map(context.answer, (response) => patched(response, action.patch))
    case "connection-reset":
      return Effect.sync(() => {
        const response = nodeResponse()
        if (response.socket !== null) context.rawSocket(response.socket).resetAndDestroy()
        return alreadySent
      })
  }
}
