/** A Kubernetes API for each test, and how its Secrets are read. */
import { Effect, type Redacted } from "effect"
import { KubernetesApi } from "../../src/index.ts"
import { bearer, get } from "./http.ts"

export type Api = KubernetesApi.KubernetesApi["Service"]

export const withApi = <A, E>(options: KubernetesApi.Options, test: (api: Api) => Effect.Effect<A, E>) =>
  Effect.flatMap(KubernetesApi.KubernetesApi, test).pipe(Effect.provide(KubernetesApi.layer(options)))

export const secretUrl = ({ url }: Api, namespace: string, name: string) =>
  `${url}/api/v1/namespaces/${namespace}/secrets/${name}`

export const read = (api: Api, namespace: string, name: string, token: string | Redacted.Redacted = api.token) =>
  get(secretUrl(api, namespace, name), bearer(token))
