import {
  ClientCredentialsSource,
  ConnectorSecrets,
  ConnectorSettings,
  DatabricksAuth,
  Jwt,
  Kubernetes,
  NamespaceSecrets,
  PatSource,
  ProjectedToken,
  ServiceAccountTokens,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { Duration, Effect, Layer, Option, Redacted } from "effect"
import { Base64Url } from "effect/encoding"
import { environment, instance } from "./environment.ts"

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
  readonly env?: Record<string, string>
  readonly secrets?: Record<string, string>
  readonly cluster?: Record<string, Record<string, string>>
  readonly serviceAccounts?: Record<string, Kubernetes.MemoryServiceAccount>
  readonly jwtFile?: string
}

/** What all four modes draw on, in memory. The token endpoint's n-th token is `t<n>`, and lasts an hour. */
export const sources = ({ env = {}, secrets = {}, cluster = {}, serviceAccounts = {}, jwtFile }: Surroundings) =>
  Layer.mergeAll(
    PatSource.layer,
    ClientCredentialsSource.layer,
    ServiceAccountTokens.layer,
    ProjectedToken.layerMemory({
      ...(jwtFile === undefined ? {} : { files: { [jwtFile]: projectedJwt } }),
      ...(secrets["FLYTE_DATABRICKS_CLIENT_ID"] === undefined
        ? {}
        : { clientId: secrets["FLYTE_DATABRICKS_CLIENT_ID"] })
    }),
    TokenEndpoint.layerMemory((request, count) =>
      Effect.succeed({
        value: Redacted.make(`t${count}`),
        lifetime: Duration.hours(1),
        builtFrom: TokenEndpoint.secretOf(request)
      })
    )
  ).pipe(
    Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layerMemory(secrets)]),
    Layer.provideMerge(Kubernetes.layerMemory(cluster, serviceAccounts)),
    Layer.provideMerge(ConnectorSettings.layerConfig),
    Layer.provide(environment({ FLYTE_DATABRICKS_INSTANCE: instance, ...env }))
  )

/** A connector that serves every mode. */
export const connector = (surroundings: Surroundings) =>
  DatabricksAuth.layer.pipe(Layer.provideMerge(sources(surroundings)))

/** What was asked of the token endpoint, by client id. */
export const asked = Effect.map(
  TokenEndpoint.TokenEndpointMemory.use(({ requests }) => requests),
  (requests) => requests.map(({ clientId }) => clientId)
)
