import {
  ClientCredentialsSource,
  ConnectorSecrets,
  ConnectorSettings,
  NamespaceSecrets,
  PatSource,
  ProjectedToken,
  ServiceAccountTokens
} from "@flyte-databricks/databricks-auth"
import { ConfigProvider, Effect, Layer, Path } from "effect"

/** The environment that a connector starts with: these variables and no others. */
export const environment = (env: Record<string, string>): Layer.Layer<never> =>
  ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

/** The settings that a connector with these variables starts with, or why it does not start. */
export const settings = (env: Record<string, string>) =>
  ConnectorSettings.fromConfig.pipe(Effect.provide(environment(env)))

/** A workspace under Databricks' own domains. */
export const instance = "dbc-a1b2.cloud.databricks.com"

/** The settings and the real sources of a connector with these variables, on a cluster and files of the caller's. */
export const configured = (env: Record<string, string>) =>
  Layer.mergeAll(PatSource.layer, ClientCredentialsSource.layer, ProjectedToken.layer, ServiceAccountTokens.layer).pipe(
    Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layerMemory(env)]),
    Layer.provideMerge(Layer.orDie(ConnectorSettings.layerConfig)),
    Layer.provide([Path.layer, environment(env)])
  )
