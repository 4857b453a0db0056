/**
 * The ways to log in that need nothing but their own: a token, a pair, or a JWT.
 */
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as HttpClient from "effect/http/HttpClient"
import { layerOAuthM2M, layerOidc, layerPat } from "../../DatabricksAuth.ts"
import * as TokenEndpoint from "../../endpoint/TokenEndpoint.ts"
import * as ClientCredentialsSource from "../../sources/ClientCredentialsSource.ts"
import * as IdTokenSource from "../../sources/IdTokenSource.ts"
import * as PatSource from "../../sources/PatSource.ts"
import { DatabricksError } from "../DatabricksError.ts"
import type { Make, Setup } from "../Setup.ts"
import * as Setups from "../Setup.ts"

/** Gives a JWT for an audience. It is asked each time a token is. */
export type IdToken = (audience: string) => string | Promise<string>

export const pat =
  (token: string, source = "the personal access token"): Make =>
  (host) =>
    Effect.succeed<Setup>({
      layer: layerPat.pipe(
        Layer.provide([PatSource.layerMemory({ connector: Redacted.make(token) }), Setups.settings(host)])
      ),
      context: {},
      source
    })

export const oauthM2M =
  (clientId: string, clientSecret: string, source = "the client id and secret"): Make =>
  (host) =>
    Effect.succeed<Setup>({
      layer: layerOAuthM2M.pipe(
        Layer.provide([
          ClientCredentialsSource.layerMemory({ connector: { clientId, clientSecret: Redacted.make(clientSecret) } }),
          TokenEndpoint.layer
        ]),
        Layer.provide(Setups.settings(host))
      ),
      context: {},
      source
    })

export const oidc =
  (clientId: string, idToken: IdToken, source = "idToken()"): Make =>
  (host) =>
    Effect.succeed(
      federated(host, clientId, source, Layer.succeed(IdTokenSource.IdTokenSource, sourceOf(idToken, source)))
    )

/** Federation by the ID tokens of a source of the core's. */
export const federated = (
  host: string,
  clientId: string,
  source: string,
  idTokens: Layer.Layer<IdTokenSource.IdTokenSource, Config.ConfigError, HttpClient.HttpClient>
): Setup => ({
  layer: layerOidc({ clientId }).pipe(
    Layer.provide([idTokens, TokenEndpoint.layer]),
    Layer.provide(Setups.settings(host))
  ),
  context: {},
  source
})

const sourceOf = (idToken: IdToken, name: string) =>
  IdTokenSource.make({
    name,
    absence: "gave none",
    remedy: "",
    // What a function of somebody else's throws is theirs to explain.
    read: (audience) =>
      Effect.promise(async () => {
        const text: unknown = await idToken(audience)
        if (typeof text !== "string") {
          throw new DatabricksError("credentials_invalid", `${name} gave ${typeof text}, expected a JWT as text.`)
        }
        return Option.some(Redacted.make(text))
      })
  })
