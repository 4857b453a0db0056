// The core alone, on `fetch`: a header of a service principal's.
import {
  ClientCredentialsSource,
  ConnectorSettings,
  DatabricksAuth,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { Effect, Layer, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"

const { DATABRICKS_HOST: instance, DATABRICKS_CLIENT_ID: clientId, DATABRICKS_CLIENT_SECRET: secret } = process.env
const auth = DatabricksAuth.layerOAuthM2M.pipe(
  Layer.provide([
    ClientCredentialsSource.layerMemory({ connector: { clientId, clientSecret: Redacted.make(secret) } }),
    TokenEndpoint.layer.pipe(Layer.provide(FetchHttpClient.layer))
  ]),
  Layer.provide(ConnectorSettings.layer({ instance }))
)
const program = Effect.gen(function* () {
  const { getHeader, resolve } = yield* DatabricksAuth.DatabricksAuth
  const { authorization } = yield* getHeader(yield* resolve({}))
  const [scheme, token] = Redacted.value(authorization).split(" ")
  console.log(`${scheme} of ${token.length} characters`)
})
await Effect.runPromise(Effect.provide(program, auth))
