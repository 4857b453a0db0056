/**
 * OIDC federation by the ID token that a CI system leaves in `DATABRICKS_OIDC_TOKEN`, or in the variable that
 * `DATABRICKS_OIDC_TOKEN_ENV` names. The mode is the core's, over that source.
 */
import {
  ConnectorSettings,
  DatabricksAuth,
  IdTokenSource,
  Oidc,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { Config, Effect, Layer } from "effect"

/** The mode of a job that is this service principal. */
export const mode = (clientId: string) => Oidc.mode({ clientId })

/** The boundary, as the environment configures it; it needs an HTTP client. */
export const layer = Layer.unwrap(
  Effect.map(Config.NonEmptyString("DATABRICKS_CLIENT_ID"), (clientId) => DatabricksAuth.layerOf([mode(clientId)]))
).pipe(
  Layer.provide([IdTokenSource.layerEnvironment(), TokenEndpoint.layer]),
  Layer.provide(ConnectorSettings.layerConfig)
)
