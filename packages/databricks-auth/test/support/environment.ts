import { ConnectorSettings } from "@flyte-databricks/databricks-auth"
import { ConfigProvider, Effect, type Layer } from "effect"

/** The environment that a connector starts with: these variables and no others. */
export const environment = (env: Record<string, string>): Layer.Layer<never> =>
  ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

/** The settings that a connector with these variables starts with, or why it does not start. */
export const settings = (env: Record<string, string>) =>
  ConnectorSettings.fromConfig.pipe(Effect.provide(environment(env)))

/** A workspace under Databricks' own domains. */
export const instance = "dbc-a1b2.cloud.databricks.com"
