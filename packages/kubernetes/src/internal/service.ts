/**
 * The service, whatever makes its requests: the client library, or `rest.ts` in a pod.
 */
import * as Jwt from "@flyte-databricks/databricks-auth/Jwt"
import { Kubernetes, type TokenRequest } from "@flyte-databricks/databricks-auth/Kubernetes"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Call from "./call.ts"
import type * as Rest from "./rest.ts"
import { decodeSecret } from "./secret.ts"
import { decodeServiceAccounts, decodeToken } from "./serviceAccounts.ts"

type Api = Omit<ReturnType<typeof Rest.make>, "listNamespacedPod">

/** Makes the service for a cluster. */
export const make = Effect.fnUntraced(function* (
  cluster: Call.Cluster & { readonly description: string },
  api: Api,
  timeout: Duration.Duration
) {
  const { call } = yield* Call.make(cluster, timeout, api)

  const readSecret = Effect.fn("Kubernetes.readSecret")((namespace: string, name: string) =>
    call({
      request: { verb: "get", resource: "secrets", template: "/api/v1/namespaces/{namespace}/secrets/{name}" },
      method: (api, sending) => api.readNamespacedSecret({ namespace, name }, sending),
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
        method: (api, sending) => api.listNamespacedServiceAccount({ namespace, labelSelector }, sending),
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
      method: (api, sending) => api.createNamespacedServiceAccountToken({ namespace, name, body: { spec } }, sending),
      decode: decodeToken
    })
  })

  // The API server took the connector's own token, so it takes whatever that one is for.
  const apiAudiences = cluster.source.current.pipe(
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
    cluster: Option.some(cluster.description),
    apiAudiences,
    readSecret,
    listServiceAccounts,
    createServiceAccountToken
  })
})
