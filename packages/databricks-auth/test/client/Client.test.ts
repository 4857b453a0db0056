/** The client as who does not know Effect uses it, on a workspace of the emulators. */
import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude, assertTrue } from "@effect/vitest/utils"
import { Fault } from "@flyte-databricks/emulators"
import { Effect } from "effect"
import { databricks, DatabricksError, fromEnvironment, oauthM2M, oidc, pat } from "../../src/client.ts"
import { clientOf, m2m, me, rejection, tokenRequests, workspaceOf } from "./support.ts"

describe("the client", () => {
  it.effect("asks for one token, however many wait for it, and hands it out again", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      const all = yield* Effect.promise(() => Promise.all(Array.from({ length: 50 }, () => client.headers())))
      assertEquals(new Set(all.map(({ authorization }) => authorization)).size, 1)
      yield* Effect.promise(client.headers)
      assertEquals((yield* workspace.requests.all(tokenRequests)).length, 1)
    })
  )

  it.effect("gives a token with its times", () =>
    Effect.gen(function* () {
      const { client } = yield* m2m({ tokenLifetime: "1 hour" })
      const { accessToken, expiresAt, issuedAt, refreshAfter, tokenType } = yield* Effect.promise(client.token)
      const { authorization } = yield* Effect.promise(client.headers)
      assertEquals(`${tokenType} ${accessToken}`, authorization)
      assertEquals(Number(expiresAt) - Number(issuedAt), 3_600_000)
      assertTrue(Number(issuedAt) < Number(refreshAfter) && Number(refreshAfter) < Number(expiresAt))
    })
  )

  it.effect("knows no times of a personal access token", () =>
    Effect.gen(function* () {
      const workspace = yield* workspaceOf()
      const client = yield* clientOf({ host: workspace.url, auth: pat(workspace.pat) })
      assertEquals(yield* Effect.promise(client.token), { accessToken: workspace.pat, tokenType: "Bearer" })
    })
  )

  it.effect("has a new token where the one in hand is said to be refused, and only then", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      const first = yield* Effect.promise(client.token)
      yield* Effect.promise(() => client.invalidate("another"))
      assertEquals((yield* Effect.promise(client.token)).accessToken, first.accessToken)
      yield* Effect.promise(() => client.invalidate(first.accessToken))
      const second = yield* Effect.promise(client.token)
      assertTrue(second.accessToken !== first.accessToken)
      yield* Effect.promise(() => client.invalidate())
      assertTrue((yield* Effect.promise(client.token)).accessToken !== second.accessToken)
      assertEquals((yield* workspace.requests.all(tokenRequests)).length, 3)
    })
  )

  it.effect("hands out the same headers as long as they hold", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      const first = yield* Effect.promise(client.headers)
      yield* Effect.promise(client.token)
      yield* Effect.promise(() => client.invalidate("another"))
      const again = yield* Effect.promise(client.headers)
      assertTrue(again === first && Object.isFrozen(first))
      yield* Effect.promise(() => client.invalidate())
      const { accessToken } = yield* Effect.promise(client.token)
      assertEquals(yield* Effect.promise(client.headers), { authorization: `Bearer ${accessToken}` })
      assertEquals((yield* workspace.requests.all(tokenRequests)).length, 2)
    })
  )

  it.effect("has no times for a token that is refused while it is asked for them", () =>
    Effect.gen(function* () {
      const { client } = yield* m2m()
      const { accessToken } = yield* Effect.promise(client.token)
      const [token] = yield* Effect.promise(() => Promise.all([client.token(), client.invalidate()]))
      assertEquals(token, { accessToken, tokenType: "Bearer" })
    })
  )

  it.effect("has nothing refused where it has no token yet", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      yield* Effect.promise(() => client.invalidate())
      assertEquals((yield* workspace.requests.all()).length, 0)
    })
  )

  it.effect("asks for tokens, too, by the fetch that it is given", () =>
    Effect.gen(function* () {
      const workspace = yield* workspaceOf()
      const urls: Array<string> = []
      const client = yield* clientOf({
        host: workspace.url,
        auth: oauthM2M(workspace.credentials),
        fetch: (input, init) => {
          urls.push(new URL(input instanceof Request ? input.url : String(input)).pathname)
          return fetch(input, init)
        }
      })
      assertEquals((yield* Effect.promise(() => client.fetch(me))).status, 200)
      assertEquals(urls, [tokenRequests.path, me])
    })
  )

  it.effect("says who it is, and asks for no token to do so", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      const { identity, looked } = yield* Effect.promise(client.explain)
      assertEquals(identity, {
        authType: "oauth_m2m",
        principal: workspace.credentials.clientId,
        source: "the client id and secret",
        host: workspace.url
      })
      assertEquals(looked, [{ source: "the client id and secret", outcome: "used" }])
      assertEquals((yield* workspace.requests.all()).length, 0)
    })
  )

  it("is given a way to log in that says which one it is, and nothing else", () => {
    const clientId = "0b5f2b1c-5a5f-4f7e-8f52-000000000001"
    const pair = oauthM2M({ clientId, clientSecret: "dose1" })
    assertEquals(
      [pat("dapi"), pair, oidc({ clientId, idToken: () => "" }), fromEnvironment()],
      [{ type: "pat" }, { type: "oauth-m2m" }, { type: "oidc" }, { type: "environment" }]
    )
  })

  it.effect("shows no secret when it is printed", () =>
    Effect.gen(function* () {
      const auth = oauthM2M({ clientId: "0b5f2b1c-5a5f-4f7e-8f52-000000000001", clientSecret: "dose-very-secret" })
      const client = yield* clientOf({ host: "http://127.0.0.1:9", auth })
      const { inspect } = yield* Effect.promise(() => import("node:util"))
      const shown = inspect([auth, client], { depth: 9, showHidden: true }) + JSON.stringify([auth, client])
      assertTrue(!shown.includes("dose-very-secret"))
    })
  )

  it.effect("rides out a 503 of the token endpoint", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      yield* workspace.faults.add({ ...tokenRequests, times: 1, action: Fault.status(503) })
      yield* Effect.promise(client.headers)
      assertEquals((yield* workspace.requests.all(tokenRequests)).length, 2)
    })
  )

  it.effect("is closed once, and says so afterwards", () =>
    Effect.gen(function* () {
      const workspace = yield* workspaceOf()
      const given = { host: workspace.url, auth: oauthM2M(workspace.credentials) }
      const used = yield* Effect.promise(async () => {
        await using client = databricks(given)
        await client.headers()
        return client
      })
      yield* Effect.promise(used.close)
      for (const call of [used.headers, used.token, used.explain, () => used.fetch(me), used.origin]) {
        const error = yield* rejection(call)
        assertEquals(error.code, "closed")
        assertInclude(error.message, "await using")
      }
    })
  )

  it.effect("can be closed unused, and twice", () =>
    Effect.gen(function* () {
      const client = databricks({ host: "dbc-1.cloud.databricks.com", auth: pat("dapi") })
      yield* Effect.promise(client.close)
      yield* Effect.promise(client.close)
      for (const call of [client.headers, client.token, client.explain, client.origin, () => client.invalidate()]) {
        assertEquals((yield* rejection(call)).code, "closed")
      }
    })
  )

  it.effect("ends those who wait, too, when it is closed", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      yield* workspace.faults.hold(tokenRequests)
      const waiting = client.headers()
      yield* workspace.requests.waitFor(tokenRequests, 1)
      yield* Effect.promise(client.close)
      assertEquals((yield* rejection(() => waiting)).code, "closed")
    })
  )
})

describe("an error of the client", () => {
  const errorOf = (host: string, auth: ReturnType<typeof pat>) =>
    Effect.flatMap(clientOf({ host, auth }), (client) => rejection(client.headers))
  const told = (error: DatabricksError) => {
    assertTrue(DatabricksError.is(error))
    assertTrue(!/FLYTE|connector|task|kubectl|\bpod\b/i.test(error.message), error.message)
    return [error.code, error.retryable] as const
  }

  it.effect("has a code, says whether to try again, and speaks of no task", () =>
    Effect.gen(function* () {
      const workspace = yield* workspaceOf()
      const { clientId } = workspace.credentials
      const wrong = oauthM2M({ clientId, clientSecret: "doseffffffff" })
      assertEquals(told(yield* errorOf(workspace.url, wrong)), ["credentials_refused", false])
      assertEquals(told(yield* errorOf(workspace.url, pat(""))), ["credentials_missing", false])
      assertEquals(told(yield* errorOf(workspace.url, pat("two\nlines"))), ["credentials_invalid", false])
      assertEquals(told(yield* errorOf("ftp://example.com", pat("dapi"))), ["configuration_invalid", false])
      assertEquals(told(yield* errorOf("https://acme.databricks.com", pat("dapi"))), ["configuration_invalid", false])
      assertEquals(told(yield* errorOf(workspace.url, { type: "pat" })), ["configuration_invalid", false])
      const noJwt = oidc({ clientId, idToken: () => "not a JWT" })
      assertEquals(told(yield* errorOf(workspace.url, noJwt)), ["credentials_invalid", false])
      yield* workspace.faults.add({ ...tokenRequests, action: Fault.html(200) })
      assertEquals(told(yield* errorOf(workspace.url, oauthM2M(workspace.credentials))), ["response_invalid", true])
    })
  )

  it.effect("names what the client was given, as its caller calls it", () =>
    Effect.gen(function* () {
      const clientId = "0b5f2b1c-5a5f-4f7e-8f52-000000000001"
      const host = "dbc-1.cloud.databricks.com"
      const number = (() => 7) as unknown as () => string
      assertEquals(
        (yield* errorOf(host, pat(""))).message,
        "There are no credentials. Looked at:\n  - the personal access token: absent"
      )
      assertInclude(
        (yield* errorOf(host, oauthM2M({ clientId: "", clientSecret: "dose1" }))).message,
        "the client id and secret"
      )
      assertInclude((yield* errorOf(host, oidc({ clientId, idToken: () => " " }))).message, "idToken() is empty.")
      const { code, message } = yield* errorOf(host, oidc({ clientId, idToken: number }))
      assertEquals([code, message], ["credentials_invalid", "idToken() gave number, expected a JWT as text."])
    })
  )

  it.effect("of a function that was given is that function's", () =>
    Effect.gen(function* () {
      const workspace = yield* workspaceOf()
      const thrown = new Error("the vault is sealed")
      const auth = oidc({ clientId: workspace.credentials.clientId, idToken: () => Promise.reject(thrown) })
      const error = yield* errorOf(workspace.url, auth)
      assertEquals(error.code, "unexpected")
      assertTrue(error.cause === thrown)
    })
  )

  it.effect("is not remembered where the next call may succeed", () =>
    Effect.gen(function* () {
      const workspace = yield* workspaceOf()
      let calls = 0
      const auth = oidc({
        clientId: workspace.credentials.clientId,
        idToken: () => (++calls === 1 ? Promise.reject(new Error("not yet")) : "no JWT")
      })
      const client = yield* clientOf({ host: workspace.url, auth })
      assertEquals((yield* rejection(client.headers)).code, "unexpected")
      assertEquals((yield* rejection(client.headers)).code, "credentials_invalid")
    })
  )
})
