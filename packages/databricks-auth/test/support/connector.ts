import {
  type ConnectorSettings,
  DatabricksAuth,
  Jwt,
  type Kubernetes,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { Effect, Option } from "effect"
import { Base64Url } from "effect/encoding"
import { instance } from "./environment.ts"

/** A JWT as Kubernetes projects it into the connector's pod. */
const projectedJwt: Jwt.Jwt = Option.getOrThrow(
  Jwt.parse(
    [{ alg: "RS256" }, { iss: "https://issuer", sub: "system:serviceaccount:flyte:connector", aud: ["databricks"] }]
      .map((part) => Base64Url.encode(JSON.stringify(part)))
      .concat("c2ln")
      .join(".")
  )
)

/** What surrounds a connector: its variables and secrets, a cluster, and the file that its JWT is in. */
export interface Surroundings {
  readonly settings?: ConnectorSettings.Options
  readonly secrets?: Record<string, string>
  readonly cluster?: Record<string, Record<string, string>>
  readonly serviceAccounts?: Record<string, Kubernetes.MemoryServiceAccount>
  readonly jwtFile?: string
}

/** A connector that serves every mode, or these; the token endpoint's n-th token is `t<n>`, and lasts an hour. */
export const connector = (
  { settings = {}, secrets = {}, cluster = {}, serviceAccounts = {}, jwtFile }: Surroundings,
  boundary?: Parameters<typeof DatabricksAuth.layerMemory>[1]
) =>
  DatabricksAuth.layerMemory(
    {
      settings: { instance, ...settings },
      connector: secrets,
      secrets: cluster,
      serviceAccounts,
      ...(jwtFile === undefined ? {} : { files: { [jwtFile]: projectedJwt } })
    },
    boundary
  )

/** What was asked of the token endpoint, by client id. */
export const asked = Effect.map(
  TokenEndpoint.TokenEndpointMemory.use(({ requests }) => requests),
  (requests) => requests.map(({ clientId }) => clientId)
)
