/** A cluster and a workspace that trusts it, and the exchange of a token of the one for a token of the other. */
import { assert } from "@effect/vitest"
import { Effect, type Redacted } from "effect"
import { DatabricksWorkspace, KubernetesApi } from "../../src/index.ts"
import { bearer, form, formHeaders, get, post } from "./http.ts"
import { plain } from "./kubernetes.ts"

export type Workspace = DatabricksWorkspace.DatabricksWorkspace["Service"]
export type Api = KubernetesApi.KubernetesApi["Service"]

export const applicationId = "5f0c2f3e-0000-4000-a000-000000000001"
export const sub = "system:serviceaccount:team-a:spark"
export const aud = ["databricks"]

/** A service principal without secrets, whose one policy takes the cluster's tokens for `team-a/spark`. */
export const withFederation = <A, E>(
  test: (world: { readonly api: Api; readonly workspace: Workspace }) => Effect.Effect<A, E>,
  options: {
    readonly api?: KubernetesApi.Options
    readonly workspace?: DatabricksWorkspace.Options
    readonly policy?: (api: Api) => Effect.Effect<Record<string, unknown>>
  } = {}
) =>
  Effect.gen(function* () {
    // RSA keys take long to make, and most tests are not about the algorithm.
    const api = yield* KubernetesApi.make({ signingAlgorithm: "ES256", ...options.api })
    const workspace = yield* DatabricksWorkspace.make({
      ...options.workspace,
      trustedCas: api.caPem === undefined ? [] : [api.caPem]
    })
    const further = options.policy === undefined ? {} : yield* options.policy(api)
    yield* workspace.addServicePrincipal({
      applicationId,
      secrets: [],
      federationPolicies: [{ issuer: api.issuer, subject: sub, audiences: aud, ...further }]
    })
    return yield* test({ api, workspace })
  })

export const exchangeForm = (token: string | Redacted.Redacted) => ({
  grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
  subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
  subject_token: plain(token),
  scope: "all-apis"
})

/** Exchanges the token as that client, or as none. */
export const exchange = (
  { url }: Workspace,
  token: string | Redacted.Redacted,
  client: Record<string, string> = { client_id: applicationId }
) => post(`${url}/oidc/v1/token`, form({ ...exchangeForm(token), ...client }), formHeaders)

/** Who the token of the workspace speaks for; `undefined` when it is not taken. */
export const whoIs = ({ url }: Workspace, token: string) =>
  Effect.map(get(`${url}/api/2.0/preview/scim/v2/Me`, bearer(token)), ({ json, status }) =>
    status === 200 ? json.userName : undefined
  )

/** What a client is told: status, error and description. */
export type Told = readonly [status: number, error: string, description: string | RegExp]

export const refusedClient: Told = [401, "invalid_client", "Client authentication failed"]
export const refusedPolicy: Told = [
  400,
  "invalid_grant",
  /^Failed to process token: TOKEN_INVALID \(Ensure a valid federation policy has been configured\)\. Valid federation policy for provided token: \{issuer: 'http.*', subject: '.*', audience: '.*'\}$/
]
export const refusedToken: Told = [400, "invalid_grant", "The subject token is invalid"]

/** Compares what a client was told with what it should be. */
export const assertTold = (told: ReadonlyArray<unknown>, [status, error, description]: Told) => {
  assert.deepStrictEqual(told.slice(0, 2), [status, error])
  if (typeof description === "string") assert.strictEqual(told[2], description)
  else assert.match(`${told[2]}`, description)
}

/** What the client was told, and what was really wrong. */
export const refusal = Effect.fnUntraced(function* (
  workspace: Workspace,
  reply: { readonly status: number; readonly json: ReturnType<typeof JSON.parse> }
) {
  const reason = (yield* workspace.refusals).at(-1)?.reason
  return { told: [reply.status, reply.json.error, reply.json.error_description], reason }
})
