/** A client of databricks-auth that logs in by what a namespace has, on both emulators. */
import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude } from "@effect/vitest/utils"
import { NodeServices } from "@effect/platform-node"
import { databricks, DatabricksError } from "@flyte-databricks/databricks-auth/client"
import { DatabricksWorkspace, KubernetesApi } from "@flyte-databricks/emulators"
import { kubernetes, type KubernetesOptions } from "@flyte-databricks/kubernetes/client"
import { Effect } from "effect"
import { temporaryFile } from "./support/emulated.ts"

const subject = "system:serviceaccount:team-a:spark"

const surroundings = Effect.gen(function* () {
  const api = yield* KubernetesApi.make({
    secrets: [{ namespace: "team-p", name: "databricks-token", data: { token: "dapi-of-team-p" } }],
    serviceAccounts: [
      {
        namespace: "team-a",
        name: "spark",
        labels: { "flyte.org/databricks-enabled": "true" },
        annotations: { "flyte.org/databricks-client-id": "5f0c2f3e-0000-4000-a000-000000000002" }
      }
    ]
  })
  const workspace = yield* DatabricksWorkspace.make({
    users: [{ userName: "team-p", pats: ["dapi-of-team-p"] }],
    servicePrincipals: [
      {
        applicationId: "5f0c2f3e-0000-4000-a000-000000000002",
        secrets: [],
        federationPolicies: [{ issuer: api.issuer, subject, audiences: ["databricks"] }]
      }
    ]
  })
  const kubeconfig = yield* temporaryFile("kubeconfig", api.kubeconfig)
  const clientOf = (options: Omit<KubernetesOptions, "kubeconfig">) =>
    Effect.acquireRelease(
      Effect.sync(() => databricks({ host: workspace.url, auth: kubernetes({ ...options, kubeconfig }) })),
      (client) => Effect.promise(client.close)
    )
  const me = (client: ReturnType<typeof databricks>) =>
    Effect.promise(
      async () => (await (await client.fetch("/api/2.0/preview/scim/v2/Me")).json()) as { readonly userName: string }
    )
  return { api, clientOf, me }
})

describe("a client by a namespace", () => {
  it.live("is the service principal of the namespace's ServiceAccount, or the owner of its token", () =>
    Effect.gen(function* () {
      const { clientOf, me } = yield* surroundings
      const federated = yield* clientOf({ namespace: "team-a" })
      assertEquals((yield* me(federated)).userName, "5f0c2f3e-0000-4000-a000-000000000002")
      const { identity } = yield* Effect.promise(federated.explain)
      assertEquals(identity?.source, "ServiceAccount team-a/spark")
      assertEquals((yield* me(yield* clientOf({ namespace: "team-p" }))).userName, "team-p")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("says what it looked at where there is nothing", () =>
    Effect.gen(function* () {
      const { clientOf } = yield* surroundings
      const client = yield* clientOf({ namespace: "team-b" })
      const error = yield* Effect.promise(() => client.headers().catch((error: unknown) => error))
      assertEquals(DatabricksError.is(error) && error.code, "credentials_missing")
      assertInclude(String(error), "databricks-token")
      assertEquals((yield* Effect.promise(client.explain)).looked.length, 3)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
