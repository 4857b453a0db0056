/** The client by JWTs of the emulator of Kubernetes. Their ends are on the real clock, as the client is. */
import { describe, it, vi } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { DatabricksWorkspace, KubernetesApi } from "@flyte-databricks/emulators"
import { Effect, Redacted } from "effect"
import { writeFile } from "node:fs/promises"
import { fromEnvironment, oidc } from "../../src/client.ts"
import { clientOf, fileWith, me, rejection, tokenRequests } from "./support.ts"

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

  it.live("takes the JWT of a variable, and what it is set to later", () =>
    Effect.gen(function* () {
      const { token, workspace } = yield* surroundings
      const variables = { DATABRICKS_CLIENT_ID: clientId, MINE: yield* token, DATABRICKS_OIDC_TOKEN_ENV: "MINE" }
      const client = yield* clientOf({ host: workspace.url, auth: fromEnvironment(variables) })
      assertEquals((yield* Effect.promise(() => client.fetch(me))).status, 200)
      yield* Effect.promise(() => client.invalidate())
      variables.MINE = ""
      assertEquals((yield* rejection(client.headers)).message, "variable MINE is empty.")
    })
  )

  it.live("takes the JWT of the process's own variable, and what it is set to later", () =>
    Effect.gen(function* () {
      const { token, workspace } = yield* surroundings
      vi.stubEnv("DATABRICKS_CLIENT_ID", clientId)
      vi.stubEnv("DATABRICKS_OIDC_TOKEN", yield* token)
      const client = yield* clientOf({ host: workspace.url, auth: fromEnvironment() })
      assertEquals((yield* Effect.promise(() => client.fetch(me))).status, 200)
      yield* Effect.promise(() => client.invalidate())
      vi.stubEnv("DATABRICKS_OIDC_TOKEN", "")
      assertEquals((yield* rejection(client.headers)).message, "variable DATABRICKS_OIDC_TOKEN is empty.")
    }).pipe(Effect.ensuring(Effect.sync(() => vi.unstubAllEnvs())))
  )

  it.live("takes the JWT of a file, and what is there later", () =>
    Effect.gen(function* () {
      const { token, workspace } = yield* surroundings
      const file = yield* fileWith(yield* token)
      const variables = { DATABRICKS_CLIENT_ID: clientId, DATABRICKS_OIDC_TOKEN_FILEPATH: file }
      const client = yield* clientOf({ host: workspace.url, auth: fromEnvironment(variables) })
      assertEquals((yield* Effect.promise(() => client.fetch(me))).status, 200)
      yield* Effect.promise(() => client.invalidate())
      yield* Effect.promise(() => writeFile(file, "no JWT"))
      assertEquals((yield* rejection(client.headers)).message, `file ${file} does not hold a JWT.`)
    })
  )

  it.live("takes the JWT that GitHub Actions makes for Databricks", () =>
    Effect.gen(function* () {
      const { token, workspace } = yield* surroundings
      const value = yield* token
      const asked: Array<string> = []
      const client = yield* clientOf({
        host: workspace.url,
        auth: fromEnvironment({
          DATABRICKS_CLIENT_ID: clientId,
          ACTIONS_ID_TOKEN_REQUEST_URL: "https://actions.example.com/token?job=1",
          ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner"
        }),
        fetch: async (input, init) => {
          const url = String(input)
          if (url.startsWith(workspace.url)) return fetch(input, init)
          asked.push(`${url} ${new Headers(init?.headers).get("authorization")}`)
          return Response.json({ value })
        }
      })
      assertEquals((yield* Effect.promise(() => client.fetch(me))).status, 200)
      assertEquals(
        new Set(asked),
        new Set(["https://actions.example.com/token?job=1&audience=databricks Bearer runner"])
      )
    })
  )
})
