import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Predicate from "effect/Predicate"
import * as exactJson from "../internal/exactJson.ts"
import { malformedRequest } from "./ApiError.ts"

/** The body of the current request, which has to be a JSON object. */
export const jsonBody = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  const text = yield* Effect.orDie(request.text)
  const body = yield* Effect.try({
    try: () => exactJson.parse(text),
    catch: () => malformedRequest("Could not parse request object: it is not JSON.")
  })
  return Predicate.isObject(body)
    ? body
    : yield* malformedRequest("Could not parse request object: expected a JSON object.")
})
