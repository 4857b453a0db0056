/** The client by JWTs of the emulator of Kubernetes. Their ends are on the real clock, as the client is. */
import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { DatabricksWorkspace, KubernetesApi } from "@flyte-databricks/emulators"
import { Effect, Redacted } from "effect"
import { fromEnvironment, oidc } from "../../src/client.ts"
import { clientOf, me, tokenRequests } from "./support.ts"

const clientId = "5f0c2f3e-0000-4000-a000-000000000002"
const subject = "system:serviceaccount:team-a:spark"

const surroundings = Effect.gen(function* () {
  const api = yield* KubernetesApi.make({ serviceAccounts: [{ namespace: "team-a", name: "spark" }] })
  const policy = { issuer: api.issuer, subject, audiences: ["databricks"] }
  const workspace = yield* DatabricksWorkspace.make({
    servicePrincipals: [{ applicationId: clientId, secrets: [], federationPolicies: [policy] }]
  })
  const token = Effect.map(api.mintToken({ sub: subject, aud: ["databricks"] }), (jwt) =>
    Redacted.isRedacted(jwt) ? Redacted.value(jwt) : jwt
  )
  return { workspace, token }
})

describe("federation", () => {
  it.live("asks for a JWT each time a token is", () =>
    Effect.gen(function* () {
      const { token, workspace } = yield* surroundings
      const context = yield* Effect.context<never>()
      const audiences: Array<string> = []
      const idToken = (audience: string) => {
        audiences.push(audience)
        return Effect.runPromiseWith(context)(token)
      }
      const client = yield* clientOf({ host: workspace.url, auth: oidc({ clientId, idToken }) })
      const answer = yield* Effect.promise(() => client.fetch(me))
      assertEquals(answer.status, 200)
      const before = audiences.length
      yield* Effect.promise(() => client.invalidate())
      yield* Effect.promise(client.headers)
      assertEquals(audiences.length, before + 1)
      assertEquals(new Set(audiences), new Set(["databricks"]))
      assertEquals((yield* workspace.requests.all(tokenRequests)).length, 2)
      assertEquals((yield* Effect.promise(client.explain)).identity?.source, "idToken()")
    })
  )

  it.live("takes the JWT of a variable", () =>
    Effect.gen(function* () {
      const { token, workspace } = yield* surroundings
      const DATABRICKS_OIDC_TOKEN = yield* token
      const auth = fromEnvironment({ DATABRICKS_CLIENT_ID: clientId, DATABRICKS_OIDC_TOKEN })
      const client = yield* clientOf({ host: workspace.url, auth })
      assertEquals((yield* Effect.promise(() => client.fetch(me))).status, 200)
    })
  )
})
