/**
 * What a cached header costs, beside a plain `Map` of strings.
 */
import {
  ClientCredentialsSource,
  ConnectorSettings,
  DatabricksAuth,
  Identity,
  TokenEndpoint,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import { ConfigProvider, Duration, Effect, Layer, ManagedRuntime, Option, Redacted } from "effect"
import { nanosPerCall, spread, table } from "./support/measure.ts"

const identities = 10_000
// Workflows poll in bursts: a few namespaces at a time are hot.
const hot = 64

const instance = WorkspaceHost.WorkspaceHost.make("dbc-a1b2.cloud.databricks.com")
const namespace = (index: number) => `team-${index}`

const auth = DatabricksAuth.layerOAuthM2M.pipe(
  Layer.provide(
    ClientCredentialsSource.layerMemory({
      namespaces: Object.fromEntries(
        Array.from({ length: identities }, (_, index) => [
          `${namespace(index)}/databricks-oauth`,
          { clientId: `client-${index}`, clientSecret: Redacted.make(`secret-${index}`) }
        ])
      )
    })
  ),
  Layer.provide(
    TokenEndpoint.layerMemory((request) =>
      Effect.succeed({
        value: Redacted.make(`token-of-${request.clientId}`),
        lifetime: Duration.hours(1),
        builtFrom: TokenEndpoint.secretOf(request)
      })
    )
  ),
  Layer.provide(ConnectorSettings.layerConfig),
  Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} })))
)

export const benchAuth = async (): Promise<void> => {
  const runtime = ManagedRuntime.make(auth)
  const { getHeader } = await runtime.runPromise(DatabricksAuth.DatabricksAuth)
  const credentials = Array.from({ length: identities }, (_, index) => ({
    identity: new Identity.OAuthM2MIdentity({
      instance,
      clientId: Option.some(`client-${index}`),
      origin: Identity.NamespaceSecret.make({ namespace: namespace(index), name: "databricks-oauth" })
    })
  }))
  await runtime.runPromise(Effect.forEach(credentials, getHeader, { concurrency: 100 }))

  const plain = new Map(credentials.map(({ identity }, index) => [identity.key, `token-of-client-${index}`]))
  const results = nanosPerCall(
    {
      "Map of strings + concatenation": (index) => `Bearer ${plain.get(credentials[index % hot]!.identity.key)}`,
      "getHeader, the cached effect": (index) => getHeader(credentials[index % hot]!),
      "getHeader, run": (index) => Effect.runSync(getHeader(credentials[index % hot]!))
    },
    { calls: 1_000_000, rounds: 9 }
  )
  table(
    `A cached header, ${identities} identities of which ${hot} are hot (ns per call)`,
    ["", "min / median / max"],
    Object.entries(results).map(([name, values]) => [name, spread(values)])
  )
  await runtime.dispose()
}
