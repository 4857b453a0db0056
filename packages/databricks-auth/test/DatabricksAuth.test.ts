import { ConnectorSecrets, ConnectorSettings, DatabricksAuth, Kubernetes, PatSource, ClientCredentialsSource, NamespaceSecrets, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { ConfigProvider, Duration, Effect, Layer, Redacted } from "effect"

const auth = DatabricksAuth.layer.pipe(
  Layer.provide([PatSource.layer, ClientCredentialsSource.layer]),
  Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layerMemory({})]),
  Layer.provideMerge(ConnectorSettings.layerConfig),
  Layer.provideMerge(Kubernetes.layerMemory({ "team-a/databricks-oauth": { client_id: "c", client_secret: "s" } })),
  Layer.provideMerge(TokenEndpoint.layerMemory((r, n) => Effect.succeed({ value: Redacted.make(`t${n}`), lifetime: Duration.hours(1), builtFrom: r.clientSecret }))),
  Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { FLYTE_DATABRICKS_INSTANCE: "dbc-a1b2.cloud.databricks.com" } })))
)
describe("smoke", () => {
  it.effect("x", () => Effect.gen(function* () {
    const a = yield* DatabricksAuth.DatabricksAuth
    const r = yield* a.resolve({ namespace: "team-a" })
    const h = yield* a.getHeader({ identity: r.identity })
    assertEquals(Redacted.value(h.authorization), "Bearer t1")
    const e = yield* Effect.flip(a.resolve({ namespace: "team-b" }))
    console.log(JSON.stringify(r), e.message)
  }).pipe(Effect.provide(auth)))
})
