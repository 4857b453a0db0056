/**
 * The core in mode M2M, with a token endpoint that answers out of memory.
 */
import {
  type Token,
  ClientCredentialsSource,
  ConnectorSettings,
  DatabricksAuth,
  Identity,
  TokenEndpoint,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import { Duration, Effect, Layer, Option, Redacted } from "effect"

const instance = WorkspaceHost.WorkspaceHost.make("dbc-a1b2.cloud.databricks.com")

/** As long as those that workspaces give, and flat, as a parser leaves it. */
export const accessToken = (index: number): string => Buffer.alloc(900, `token-${index}-`).toString("latin1")

export const credentialOf = (index: number) => ({
  identity: new Identity.OAuthM2MIdentity({
    instance,
    clientId: Option.some(`client-${index}`),
    origin: Identity.NamespaceSecret.make({ namespace: `team-${index}`, name: "databricks-oauth" })
  })
})

/** So many namespaces with a Secret each, and what it takes to get a token. */
export const authOf = (identities: number, answers: Effect.Effect<void>): Layer.Layer<DatabricksAuth.DatabricksAuth> =>
  DatabricksAuth.layerOAuthM2M.pipe(
    Layer.provide([
      ClientCredentialsSource.layerMemory({
        namespaces: Object.fromEntries(
          Array.from({ length: identities }, (_, index) => [
            `team-${index}/databricks-oauth`,
            { clientId: `client-${index}`, clientSecret: Redacted.make(`secret-${index}`) }
          ])
        )
      }),
      Layer.succeed(
        TokenEndpoint.TokenEndpoint,
        TokenEndpoint.TokenEndpoint.of({
          clientCredentials: ({ clientId, clientSecret }) =>
            Effect.as(answers, {
              value: Redacted.make(accessToken(Number(clientId.slice("client-".length)))),
              lifetime: Duration.hours(1),
              builtFrom: clientSecret
            } satisfies Token.Token),
          tokenExchange: () => Effect.die("not asked for here")
        })
      ),
      ConnectorSettings.layer()
    ]),
    Layer.orDie
  )
