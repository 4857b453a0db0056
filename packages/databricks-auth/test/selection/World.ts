/**
 * The world of a combination: a cluster and a token endpoint in memory, and a connector over them as its environment
 * configures it.
 */
import {
  ClientCredentialsSource,
  ConnectorSecrets,
  ConnectorSettings,
  DatabricksAuth,
  Kubernetes,
  NamespaceSecrets,
  PatSource,
  ProjectedToken,
  ServiceAccountTokens,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { ConfigProvider, Duration, Effect, FileSystem, Layer, Option, Path, Redacted } from "effect"
import {
  clientIdOf,
  clientSecretOf,
  type Combination,
  connectorPair,
  connectorPat,
  oauthSecret,
  patOf,
  tokenOf,
  tokenSecret
} from "./Combination.ts"

/** One combination, in a namespace of its own. */
export interface Run {
  readonly combination: Combination
  readonly namespace: string
}

/** Puts a run's Secrets into its namespace. */
export const fillNamespace = Effect.fnUntraced(function* ({ combination, namespace }: Run) {
  const memory = yield* Effect.serviceOption(Kubernetes.KubernetesMemory)
  if (Option.isNone(memory)) return
  const put = (
    name: string,
    state: (typeof tokenSecret)[keyof typeof tokenSecret] | (typeof oauthSecret)[keyof typeof oauthSecret]
  ) => {
    if ("data" in state) return memory.value.setSecret(namespace, name, state.data(namespace))
    if (state.answer === "absent") return Effect.void
    return memory.value.failSecret(namespace, name, faults[state.answer])
  }
  yield* put("databricks-oauth", oauthSecret[combination.oauthSecret])
  yield* put("databricks-token", tokenSecret[combination.tokenSecret])
})

const faults = {
  forbidden: new Kubernetes.Forbidden({ detail: "forbidden by RBAC" }),
  unavailable: new Kubernetes.Unavailable({ detail: "etcd is electing a leader" })
}

/** A connector as the environment configures it, over a cluster and a token endpoint in memory. */
export const connectorOf = (combination: Combination) => {
  const secrets = {
    ...connectorPat[combination.connectorPat].variables,
    ...connectorPair[combination.connectorPair].variables
  }
  const env = {
    FLYTE_DATABRICKS_INSTANCE: "dbc-a1b2.cloud.databricks.com",
    FLYTE_DATABRICKS_NAMESPACE_IDENTITY: combination.namespaceIdentity,
    FLYTE_DATABRICKS_AUTH_TYPE: combination.environmentAuthType === "unset" ? "" : combination.environmentAuthType
  }
  return DatabricksAuth.layer.pipe(
    Layer.provide([PatSource.layer, ClientCredentialsSource.layer, ProjectedToken.layer, ServiceAccountTokens.layer]),
    Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layerMemory(secrets), ConnectorSettings.layerConfig]),
    Layer.provide([FileSystem.layerNoop({}), Path.layer]),
    Layer.provideMerge(
      combination.kubernetes === "configured" ? Kubernetes.layerMemory(bystanders) : Kubernetes.layerNone
    ),
    Layer.provideMerge(TokenEndpoint.layerMemory(grant)),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
  )
}

/** Whole credentials that are nobody's business here: no request names these namespaces. */
const bystanders = Object.fromEntries(
  ["default", "flyte", "another-team"].flatMap((namespace) => [
    [`${namespace}/databricks-oauth`, oauthSecret.whole.data(namespace)],
    [`${namespace}/databricks-token`, { token: patOf(namespace) }]
  ])
)

/** A token says whose it is; a client id that comes with another one's secret gets none. */
const grant = (request: TokenEndpoint.TokenRequest) => {
  const { clientId } = request
  const secret = TokenEndpoint.secretOf(request)
  return Redacted.value(secret) === clientSecretOf(clientId)
    ? Effect.succeed({ value: Redacted.make(tokenOf(clientId)), lifetime: Duration.hours(1), builtFrom: secret })
    : Effect.die(`a pair joined from two sources: ${clientId} with ${Redacted.value(secret)}`)
}

/** Whose token a header carries, for a namespace or the connector. */
export const headerOf = (authType: string, owner: string): string =>
  `Bearer ${authType === "pat" ? patOf(owner) : tokenOf(clientIdOf(owner))}`
