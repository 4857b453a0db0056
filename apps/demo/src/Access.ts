/**
 * Who may reach the service. On loopback that is whoever is on this machine, except for other sites' pages in its
 * browsers; on another address, whoever brings the access token.
 */
import * as ByteSize from "effect/ByteSize"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { timingSafeEqual } from "effect/crypto/Mac"
import { HttpIncomingMessage, HttpRouter, HttpServerRequest, HttpServerResponse, ProblemDetails } from "effect/http"
import { HttpApiError, HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"

class Unauthorized extends HttpApiError.Problem<Unauthorized>()("Unauthorized", {
  type: ProblemDetails.blankType,
  status: 401,
  title: "Unauthorized"
}) {}

/** The token that callers have to bring; none on loopback. */
export const Expected = Context.Reference<Redacted.Redacted<string> | undefined>("@flyte-databricks/demo/Expected", {
  defaultValue: () => undefined
})

/** Lets in whoever brings the token, where one is expected. */
export class AccessToken extends HttpApiMiddleware.Service<AccessToken>()("@flyte-databricks/demo/AccessToken", {
  error: Unauthorized,
  security: { bearer: HttpApiSecurity.bearer }
}) {}

const bytes = (token: Redacted.Redacted<string>) => new TextEncoder().encode(Redacted.value(token))

export const layer: Layer.Layer<AccessToken> = Layer.effect(
  AccessToken,
  Effect.map(Expected, (expected) => ({
    bearer: (handle, { credential }) =>
      expected === undefined || timingSafeEqual(bytes(credential), bytes(expected))
        ? handle
        : Effect.fail(new Unauthorized({ detail: "Bring the access token that the service printed when it started." }))
  }))
)

// Nothing comes from elsewhere, nothing is inline, and nobody frames the page.
const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store"
}

// A task is a namespace and an auth type.
const bodyLimit = ByteSize.kilobytes(64)

/**
 * Refuses what another site's page would send, reads no more of a body than one can have, and gives every answer the
 * headers that a browser heeds.
 */
export const guard = HttpRouter.middleware(
  (handle) =>
    Effect.gen(function* () {
      const refusal = refusalOf(yield* HttpServerRequest.HttpServerRequest)
      return refusal === undefined ? yield* handle : ProblemDetails.toResponse({ type: "about:blank", ...refusal })
    }).pipe(
      Effect.provideService(HttpIncomingMessage.MaxBodySize, bodyLimit),
      Effect.map(HttpServerResponse.setHeaders(headers))
    ),
  { global: true }
)

const refusalOf = ({ url, headers }: HttpServerRequest.HttpServerRequest) => {
  const { host = "", origin } = headers
  // A page whose name was rebound to this address still sends its own name. One with an address for a name was not.
  const name = URL.parse(`http://${host}`)?.hostname ?? ""
  if (name !== "localhost" && !name.startsWith("[") && !/^[\d.]+$/.test(name)) {
    return { status: 421, title: "Misdirected Request", detail: "Call the service localhost, or by its address." }
  }
  const isForeign =
    (origin !== undefined && URL.parse(origin)?.host !== host) ||
    !["same-origin", "none", undefined].includes(headers["sec-fetch-site"])
  return isForeign && url.startsWith("/api/")
    ? { status: 403, title: "Forbidden", detail: "The API does not answer the pages of other sites." }
    : undefined
}
