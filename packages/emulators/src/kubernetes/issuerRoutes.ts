/**
 * Service account issuer discovery, as in a cluster that lets everybody read it without logging in.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { SigningKeys } from "./SigningKeys.ts"

/** The routes of the discovery document and of the keys it leads to. */
export const issuerRoutes = (options: {
  readonly issuer: string
  readonly url: string
  readonly keys: SigningKeys
}) => {
  const answer = (body: unknown, contentType: string) =>
    HttpServerResponse.text(JSON.stringify(body), { contentType, headers: { "cache-control": "public, max-age=3600" } })
  return [
    HttpRouter.route(
      "GET",
      "/.well-known/openid-configuration",
      Effect.map(options.keys.jwks, ({ keys }) =>
        answer(
          {
            issuer: options.issuer,
            jwks_uri: `${options.url}/openid/v1/jwks`,
            response_types_supported: ["id_token"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: [...new Set(keys.map(({ alg }) => alg))]
          },
          "application/json"
        )
      )
    ),
    HttpRouter.route(
      "GET",
      "/openid/v1/jwks",
      Effect.map(options.keys.jwks, (jwks) => answer(jwks, "application/jwk-set+json"))
    )
  ]
}
