/**
 * Reads a token request off the wire: the form, and the client's credentials in either of the two allowed places.
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Result from "effect/Result"
import type { TokenRequest } from "./Grant.ts"
import { invalidClient, invalidRequest, type OAuthError } from "./OAuthError.ts"

/** `application/x-www-form-urlencoded` decoding of one value, as RFC 6749 §2.3.1 wants it for the id and the secret. */
const formDecode = (text: string) => {
  try {
    return decodeURIComponent(text.replaceAll("+", " "))
  } catch {
    return undefined
  }
}

const basicCredentials = (authorization: string) => {
  const encoded = /^Basic +(\S+)$/i.exec(authorization)?.[1]
  if (encoded === undefined) return undefined
  const decoded = Result.getOrElse(Base64.decodeString(encoded), () => "")
  const colon = decoded.indexOf(":")
  if (colon < 0) return undefined
  const id = formDecode(decoded.slice(0, colon))
  const secret = formDecode(decoded.slice(colon + 1))
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

const readForm = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  const contentType = request.headers["content-type"] ?? ""
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(contentType)) {
    return yield* invalidRequest("Content-Type must be application/x-www-form-urlencoded")
  }
  const parameters = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(yield* Effect.orDie(request.text))) {
    if (parameters.has(name)) return yield* invalidRequest(`Parameter '${name}' is repeated`)
    // RFC 6749 §3.2: a parameter without a value is as good as left out.
    if (value !== "") parameters.set(name, value)
  }
  return parameters
})

/** Reads the current request as a token request. */
export const read: Effect.Effect<TokenRequest, OAuthError, HttpServerRequest.HttpServerRequest> = Effect.gen(
  function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const parameters = yield* readForm(request)
    const authorization = request.headers["authorization"]
    const secret = parameters.get("client_secret")
    const id = parameters.get("client_id")
    if (authorization === undefined) {
      return { parameters, client: id === undefined || secret === undefined ? undefined : { id, secret } }
    }
    if (secret !== undefined) return yield* invalidRequest("More than one way of client authentication was used")
    const client = basicCredentials(authorization)
    if (client === undefined || (id !== undefined && id !== client.id)) return yield* invalidClient
    return { parameters, client }
  }
)
