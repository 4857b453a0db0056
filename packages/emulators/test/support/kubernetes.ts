/** A Kubernetes API for each test, how its Secrets are read, and how ServiceAccounts are listed and get tokens. */
import { Effect, Redacted } from "effect"
import { KubernetesApi } from "../../src/index.ts"
import { bearer, get, post } from "./http.ts"

export type Api = KubernetesApi.KubernetesApi["Service"]

export const withApi = <A, E>(options: KubernetesApi.Options, test: (api: Api) => Effect.Effect<A, E>) =>
  Effect.flatMap(KubernetesApi.KubernetesApi, test).pipe(Effect.provide(KubernetesApi.layer(options)))

export const secretUrl = ({ url }: Api, namespace: string, name: string) =>
  `${url}/api/v1/namespaces/${namespace}/secrets/${name}`

export const read = (api: Api, namespace: string, name: string, token: string | Redacted.Redacted = api.token) =>
  get(secretUrl(api, namespace, name), bearer(token))

export const plain = (token: string | Redacted.Redacted) => (Redacted.isRedacted(token) ? Redacted.value(token) : token)

export const accountsUrl = ({ url }: Api, namespace: string) => `${url}/api/v1/namespaces/${namespace}/serviceaccounts`

export const list = (api: Api, namespace: string, query: Record<string, string> = {}) =>
  get(`${accountsUrl(api, namespace)}?${new URLSearchParams(query)}`, bearer(api.token))

export const requestToken = (api: Api, namespace: string, name: string, body: unknown = {}, as = api.token) =>
  post(`${accountsUrl(api, namespace)}/${name}/token`, body, bearer(as))

/** What a JWT says, not verified. */
export const claimsOf = (token: string): ReturnType<typeof JSON.parse> =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())
