/**
 * The ways to log in that need nothing but their own: a token, a pair, or a JWT.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { layerOAuthM2M, layerOf, layerPat } from "../../DatabricksAuth.ts"
import * as TokenEndpoint from "../../endpoint/TokenEndpoint.ts"
import { AuthError, CredentialsBroken } from "../../AuthError.ts"
import * as Jwt from "../../Jwt.ts"
import * as OidcConnector from "../../modes/OidcConnector.ts"
import * as ClientCredentialsSource from "../../sources/ClientCredentialsSource.ts"
import * as PatSource from "../../sources/PatSource.ts"
import * as ProjectedToken from "../../sources/ProjectedToken.ts"
import { DatabricksError } from "../DatabricksError.ts"
import type { Make, Setup } from "../Setup.ts"
import * as Setups from "../Setup.ts"

/** Gives a JWT: its promise is asked each time a token is. */
export type IdToken = () => string | Promise<string>

export const pat =
  (token: string, source = "the personal access token"): Make =>
  (host) =>
    Effect.succeed<Setup>({
      layer: layerPat.pipe(
        Layer.provide([PatSource.layerMemory({ connector: Redacted.make(token) }), Setups.settings(host)])
      ),
      context: {},
      source,
      hasTimes: false
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
      source,
      hasTimes: true
    })

export const oidc =
  (clientId: string, idToken: IdToken, source = "idToken()"): Make =>
  (host) =>
    Effect.succeed<Setup>({
      layer: layerOf([OidcConnector.mode]).pipe(
        Layer.provide([projected(clientId, idToken, source), TokenEndpoint.layer]),
        Layer.provide(Setups.settings(host))
      ),
      context: {},
      source,
      hasTimes: true
    })

const projected = (clientId: string, idToken: IdToken, source: string): Layer.Layer<ProjectedToken.ProjectedToken> =>
  Layer.succeed(
    ProjectedToken.ProjectedToken,
    ProjectedToken.ProjectedToken.of({
      clientId: Effect.succeed(Option.some(clientId)),
      read: () =>
        Effect.flatMap(given(idToken), (text) =>
          Option.match(Jwt.parse(text.trim()), {
            onNone: () => Effect.fail(broken(source, text.trim() === "" ? "is empty" : "is no JWT")),
            onSome: (jwt) => Effect.succeed(Option.some(jwt))
          })
        )
    })
  )

const broken = (source: string, problem: string): AuthError =>
  new AuthError({ reason: new CredentialsBroken({ source, problem, remedy: "" }) })

// What a function of somebody else's throws is theirs to explain.
const given = (idToken: IdToken): Effect.Effect<string> =>
  Effect.promise(async () => {
    const text: unknown = await idToken()
    if (typeof text !== "string") {
      throw new DatabricksError("credentials_invalid", `idToken() gave ${typeof text}, expected a JWT as text.`)
    }
    return text
  })
