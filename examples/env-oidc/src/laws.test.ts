/** What has to hold of a mode holds of this one: `node --test`. */
import { ConnectorSettings, IdTokenSource, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { AuthMemory, IdToken, Laws } from "@flyte-databricks/databricks-auth/testing"
import { ConfigProvider, Effect, Layer } from "effect"
import { test } from "node:test"
import * as EnvOidc from "./EnvOidc.ts"

const mode = EnvOidc.mode("app-1")

const source = (token?: string) =>
  IdTokenSource.layerEnvironment().pipe(
    Layer.provide(
      ConfigProvider.layer(ConfigProvider.fromEnv({ env: token === undefined ? {} : { DATABRICKS_OIDC_TOKEN: token } }))
    ),
    Layer.orDie
  )

const laws = Laws.of<{ readonly token: string }>({
  mode,
  wired: Effect.provide(mode.wire, [source(), TokenEndpoint.layerMemory(Laws.bySecret), ConnectorSettings.layer()]),
  boundary: ({ token }, settings) =>
    AuthMemory.layerOf([mode], { respond: Laws.bySecret, settings }).pipe(Layer.provide(source(token))),
  secretMark: IdToken.signature,
  places: { connector: { whole: { token: IdToken.text() }, broken: { token: "no JWT" } } }
})

for (const { holds, name } of laws) test(name, () => Effect.runPromise(holds))
