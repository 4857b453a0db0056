/** The client in the clients of others: each compiles against the real types, and its requests arrive at the workspace. */
import type { TokenCredential } from "@azure/core-auth"
import { type CredentialProvider, WorkspaceClient } from "@databricks/sdk-experimental"
import { auth, DBSQLClient } from "@databricks/sql"
import { describe, it } from "@effect/vitest"
import { assertEquals, assertTrue } from "@effect/vitest/utils"
import {
  ClientCredentialsSource,
  ConnectorSettings,
  DatabricksAuth,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { Effect, Layer, Redacted } from "effect"
import { FetchHttpClient, HttpClientRequest } from "effect/http"
import { Agent, type Dispatcher, request } from "undici"
import { azureCredential } from "../../src/client/adapters/azure.ts"
import { httpClient } from "../../src/client/adapters/effect.ts"
import { sdkCredentials } from "../../src/client/adapters/sdk.ts"
import { sqlCustom, sqlExternalToken, sqlTokenProvider } from "../../src/client/adapters/sql.ts"
import { undiciInterceptor } from "../../src/client/adapters/undici.ts"
import { clientOf, m2m, me, rejection, tokenRequests, workspaceOf } from "./support.ts"
import { pat } from "../../src/client.ts"

type Connect = Parameters<DBSQLClient["connect"]>[0]

describe("Databricks' SDK for JavaScript", () => {
  it.effect("calls the workspace with the client's token", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      const credentials: CredentialProvider = sdkCredentials(client)
      const sdk = new WorkspaceClient({ host: workspace.url, credentials })
      const said = yield* Effect.promise(() => sdk.currentUser.me())
      assertEquals(said.userName, workspace.credentials.clientId)
      yield* Effect.promise(() => sdk.currentUser.me())
      assertEquals((yield* workspace.requests.all(tokenRequests)).length, 1)
    })
  )
})

describe("Databricks' SQL driver", () => {
  for (const way of ["custom", "external-token", "token-provider"] as const) {
    it.effect(`sends the client's token, as ${way}`, () =>
      Effect.gen(function* () {
        const workspace = yield* workspaceOf({ tls: true })
        const client = yield* clientOf({ host: workspace.url, auth: pat(workspace.pat) })
        const ways = {
          custom: sqlCustom(client),
          "external-token": sqlExternalToken(client),
          "token-provider": sqlTokenProvider(client, auth.Token)
        }
        const { hostname: host, port } = new URL(workspace.url)
        const where = { host, port: Number(port), path: "/sql/1.0/warehouses/w1", checkServerCertificate: false }
        const options: Connect = { ...where, ...ways[way] }
        const driver = new DBSQLClient({ logger: { log: () => {} } })
        yield* Effect.promise(() => driver.connect(options))
        // The emulator has no warehouse: what it answers is no session, and comes with the request's headers.
        yield* rejection(() => driver.openSession())
        const [sent] = yield* workspace.requests.all({ path: "/sql/1.0/warehouses/w1" })
        assertEquals(sent?.headers["authorization"], `Bearer ${workspace.pat}`)
      })
    )
  }
})

describe("Azure's TokenCredential", () => {
  it.effect("has the token and its times", () =>
    Effect.gen(function* () {
      const { client } = yield* m2m()
      const credential: TokenCredential = azureCredential(client)
      const { accessToken, expiresAt, refreshAfter } = yield* Effect.promise(client.token)
      assertEquals(yield* Effect.promise(() => credential.getToken("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default")), {
        token: accessToken,
        tokenType: "Bearer",
        expiresOnTimestamp: Number(expiresAt),
        refreshAfterTimestamp: Number(refreshAfter)
      })
    })
  )
})

describe("undici", () => {
  it.effect("sends the token to the workspace alone, and has a new one after a 401", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      const other = yield* workspaceOf()
      const interceptor: Dispatcher.DispatcherComposeInterceptor = undiciInterceptor(client)
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => new Agent().compose(interceptor)),
        (agent) => Effect.promise(() => agent.close())
      )
      const status = async (url: string, headers: Dispatcher.DispatchOptions["headers"] = {}) => {
        const { body, statusCode } = await request(url, { dispatcher: agent, headers: headers! })
        await body.dump()
        return statusCode
      }
      assertEquals(yield* Effect.promise(() => status(workspace.url + me)), 200)
      assertEquals(
        yield* Effect.promise(() => status(workspace.url + me, ["Authorization", "Bearer x", "a", "b"])),
        200
      )
      assertEquals((yield* workspace.requests.all({ path: me })).at(-1)?.headers["a"], "b")
      assertEquals((yield* rejection(() => status(other.url + me))).code, "origin_foreign")
      assertEquals((yield* other.requests.all()).length, 0)
      yield* workspace.revokeTokens()
      assertEquals(yield* Effect.promise(() => status(workspace.url + me)), 401)
      assertEquals(yield* Effect.promise(() => status(workspace.url + me)), 200)
    })
  )
})

describe("Effect's HttpClient", () => {
  it.effect("sends the header, renews it once, and knows no other origin", () =>
    Effect.gen(function* () {
      const workspace = yield* workspaceOf({ invalidTokenStatus: 403 })
      const { clientId, clientSecret } = workspace.credentials
      const pair = { clientId, clientSecret: Redacted.make(clientSecret) }
      const boundary = DatabricksAuth.layerOAuthM2M.pipe(
        Layer.provide([ClientCredentialsSource.layerMemory({ connector: pair }), TokenEndpoint.layer]),
        Layer.provide(ConnectorSettings.layer({ instance: workspace.url })),
        Layer.provideMerge(FetchHttpClient.layer)
      )
      yield* Effect.gen(function* () {
        const { resolve } = yield* DatabricksAuth.DatabricksAuth
        const client = yield* httpClient(yield* resolve({}))
        assertEquals((yield* client.get(me)).status, 200)
        yield* workspace.revokeTokens()
        assertEquals((yield* client.get(`${workspace.url}${me}`)).status, 200)
        assertEquals((yield* workspace.requests.all(tokenRequests)).length, 2)
        const refused = yield* Effect.flip(client.execute(HttpClientRequest.get("https://example.com/")))
        assertTrue(refused._tag === "AuthError" && refused.reason._tag === "InstanceRefused")
      }).pipe(Effect.provide(boundary))
    })
  )
})
