import {
  ClientCredentialsSource,
  ConnectorSettings,
  PatSource,
  ProjectedToken,
  ServiceAccountTokens,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { Effect, Layer } from "effect"

/** What modes are wired on where only their places are looked at: nothing is there, and no token is asked for. */
export const sources = Layer.mergeAll(
  PatSource.layerMemory({}),
  ClientCredentialsSource.layerMemory({}),
  ProjectedToken.layerMemory({}),
  ServiceAccountTokens.layerMemory({}),
  TokenEndpoint.layerMemory(() => Effect.die("only places are looked at")),
  Layer.orDie(ConnectorSettings.layer())
)
