/**
 * The service itself. It is imported only once a cluster is configured, and the Kubernetes client library with it.
 */
import * as Jwt from "@flyte-databricks/databricks-auth/Jwt"
import { Kubernetes, type TokenRequest } from "@flyte-databricks/databricks-auth/Kubernetes"
import { CoreV1Api } from "@kubernetes/client-node"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { ClusterConfig } from "../ClusterConfig.ts"
import * as Call from "./call.ts"
import { load } from "./kubeConfig.ts"
import { decodeSecret } from "./secret.ts"
import { decodeServiceAccounts, decodeToken } from "./serviceAccounts.ts"

/** Makes the service for a cluster; what is wrong with its configuration fails here. */
export const make = Effect.fnUntraced(function* (config: ClusterConfig, timeout: Duration.Duration) {
  const loaded = yield* load(config)
  const { call, credentials } = yield* Call.make(loaded, timeout, (configuration) => new CoreV1Api(configuration))

  const readSecret = Effect.fn("Kubernetes.readSecret")((namespace: string, name: string) =>
    call({
      request: { verb: "get", resource: "secrets", template: "/api/v1/namespaces/{namespace}/secrets/{name}" },
      method: (api, options) => api.readNamespacedSecret({ namespace, name }, options),
      decode: decodeSecret
    })
  )

  const listServiceAccounts = Effect.fn("Kubernetes.listServiceAccounts")(
    (namespace: string, labelSelector: string) =>
      call({
        request: {
          verb: "list",
          resource: "serviceaccounts",
          template: "/api/v1/namespaces/{namespace}/serviceaccounts"
        },
        method: (api, options) => api.listNamespacedServiceAccount({ namespace, labelSelector }, options),
        decode: decodeServiceAccounts
      }),
    Effect.map(Option.getOrElse(() => []))
  )

  const createServiceAccountToken = Effect.fn("Kubernetes.createServiceAccountToken")((
    namespace: string,
    name: string,
    { audience, lifetime }: TokenRequest
  ) => {
    const spec = { audiences: [audience], expirationSeconds: Math.ceil(Duration.toSeconds(lifetime)) }
    return call({
      request: {
        verb: "create",
        resource: "serviceaccounts/token",
        template: "/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
      },
      method: (api, options) => api.createNamespacedServiceAccountToken({ namespace, name, body: { spec } }, options),
      decode: decodeToken
    })
  })

  // The API server took the connector's own token, so it takes whatever that one is for.
  const apiAudiences = credentials.pipe(
    Effect.map(({ headers }) => {
      const token = /^Bearer (.*)$/.exec(Redacted.value(headers)["authorization"] ?? "")?.[1] ?? ""
      return Option.match(Jwt.parse(token), {
        onNone: () => [],
        onSome: ({ claims }) => [...claims.audiences, ...(claims.iss === undefined ? [] : [claims.iss])]
      })
    }),
    Effect.orElseSucceed(() => [])
  )

  return Kubernetes.of({
    cluster: Option.some(loaded.description),
    apiAudiences,
    readSecret,
    listServiceAccounts,
    createServiceAccountToken
  })
})
