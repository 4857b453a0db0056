/** What has to hold of a mode holds of this one, against a stand-in for Entra ID: `node --test`. */
import {
  ClientCredentialsSource,
  type DatabricksAuth,
  Kubernetes,
  OAuthEndpoint
} from "@flyte-databricks/databricks-auth"
import { AuthMemory, Laws } from "@flyte-databricks/databricks-auth/testing"
import { Effect, Layer } from "effect"
import { test } from "node:test"
import * as EntraId from "./EntraId.ts"
import * as StandIn from "./StandIn.ts"

const mode = EntraId.mode({ tenantId: "contoso" })
const oauth = Layer.provide(OAuthEndpoint.layer, StandIn.layer)
const secret = "S3cr3tM4rk3r-of-the-app"
const secretName = "team-a/databricks-oauth"
const pair = { client_id: "app-1", client_secret: secret }
const cluster = Kubernetes.KubernetesMemory

const laws = Laws.of<DatabricksAuth.Memory>({
  mode,
  wired: Effect.provide(mode.wire, [ClientCredentialsSource.layerMemory({}), oauth]),
  boundary: (memory, settings) =>
    AuthMemory.layerOf([mode], { ...memory, settings: { ...memory.settings, ...settings } }).pipe(Layer.provide(oauth)),
  secretMark: secret,
  places: {
    namespace: {
      whole: { secrets: { [secretName]: pair } },
      bySettings: { secrets: { "team-a/entra": pair }, settings: { oauthSecretName: "entra" } },
      broken: { secrets: { [secretName]: { client_id: "app-1" } } },
      rotate: cluster.use(({ setSecret }) =>
        setSecret("team-a", "databricks-oauth", { ...pair, client_secret: `${secret}-rotated` })
      ),
      fail: (reason) => cluster.use(({ failSecret }) => failSecret("team-a", "databricks-oauth", reason))
    },
    connector: {
      whole: {
        connector: { FLYTE_DATABRICKS_CLIENT_ID: "app-0", FLYTE_DATABRICKS_CLIENT_SECRET: `${secret}-shared` }
      },
      broken: { connector: { FLYTE_DATABRICKS_CLIENT_SECRET: secret } }
    }
  }
})

for (const { holds, name } of laws) test(name, () => Effect.runPromise(holds))
