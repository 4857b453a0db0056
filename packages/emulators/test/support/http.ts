/** A plain HTTP client for the tests: what went over the wire, and no more. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Effect, Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE"

interface Send {
  readonly headers?: Readonly<Record<string, string>>
  /** Text as it is, anything else as JSON. */
  readonly body?: unknown
}

/** The text as JSON, which tests read into freely; `undefined` when it is none. */
const parse = (text: string): ReturnType<typeof JSON.parse> => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const send = Effect.fnUntraced(function* (method: Method, url: string, { body, headers = {} }: Send = {}) {
  const request = HttpClientRequest.make(method)(url, { headers })
  const contentType = headers["content-type"] ?? "application/json"
  const text = typeof body === "string" ? body : JSON.stringify(body)
  const response = yield* HttpClient.execute(
    body === undefined ? request : HttpClientRequest.bodyText(request, text, contentType)
  )
  const received = yield* response.text
  return { status: response.status, headers: response.headers, text: received, json: parse(received) }
}, Effect.provide(NodeHttpClient.layerUndici))

export const get = (url: string, headers?: Readonly<Record<string, string>>) =>
  send("GET", url, headers === undefined ? {} : { headers })

export const post = (url: string, body: unknown, headers?: Readonly<Record<string, string>>) =>
  send("POST", url, headers === undefined ? { body } : { body, headers })

export const bearer = (token: string | Redacted.Redacted) => ({
  authorization: `Bearer ${Redacted.isRedacted(token) ? Redacted.value(token) : token}`
})

export const basic = (id: string, secret: string | Redacted.Redacted) => {
  const encode = (text: string) => new URLSearchParams([["", text]]).toString().slice(1)
  const plain = Redacted.isRedacted(secret) ? Redacted.value(secret) : secret
  return { authorization: `Basic ${btoa(`${encode(id)}:${encode(plain)}`)}` }
}

export const form = (parameters: Readonly<Record<string, string>>) => new URLSearchParams(parameters).toString()

export const formHeaders = { "content-type": "application/x-www-form-urlencoded" }
