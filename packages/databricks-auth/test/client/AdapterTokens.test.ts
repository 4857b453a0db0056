/** What the adapters for SDKs and drivers give them, of a token with times and of one without. */
import { assert, describe, it, vi } from "@effect/vitest"
import type { AccessToken } from "../../src/client.ts"
import { azureCredential } from "../../src/client/adapters/azure.ts"
import { sdkCredentials } from "../../src/client/adapters/sdk.ts"
import { sqlCustom, sqlExternalToken, sqlTokenProvider } from "../../src/client/adapters/sql.ts"

const issuedAt = new Date("2026-01-01T00:00:00Z")
const timed: AccessToken = {
  accessToken: "timed",
  tokenType: "Bearer",
  issuedAt,
  refreshAfter: new Date("2026-01-01T00:45:00Z"),
  expiresAt: new Date("2026-01-01T01:00:00Z")
}
const untimed: AccessToken = { accessToken: "dapi", tokenType: "Bearer" }
const having = (token: AccessToken) => ({ token: () => Promise.resolve(token) })
const headers = { authorization: "Bearer dapi", "x-databricks-workspace-id": "1234" }

describe("Azure's TokenCredential", () => {
  it("has the token's times", async () => {
    assert.deepStrictEqual(await azureCredential(having(timed)).getToken("any"), {
      token: "timed",
      tokenType: "Bearer",
      expiresOnTimestamp: Date.UTC(2026, 0, 1, 1),
      refreshAfterTimestamp: Date.UTC(2026, 0, 1, 0, 45)
    })
  })

  it("is asked again after five minutes for a token whose end nobody knows", async () => {
    vi.useFakeTimers({ now: issuedAt, toFake: ["Date"] })
    try {
      assert.deepStrictEqual(await azureCredential(having(untimed)).getToken("any"), {
        token: "dapi",
        tokenType: "Bearer",
        expiresOnTimestamp: Date.UTC(2026, 0, 1, 0, 5)
      })
    } finally {
      vi.useRealTimers()
    }
  })
})

describe("Databricks' SQL driver", () => {
  class Token {
    readonly given: ReadonlyArray<unknown>
    constructor(...given: ReadonlyArray<unknown>) {
      this.given = given
    }
  }

  it("is told the end of a token that has one", async () => {
    const { authType, tokenProvider } = sqlTokenProvider(having(timed), Token)
    assert.deepStrictEqual([authType, tokenProvider.getName()], ["token-provider", "flyte-databricks"])
    const { given } = await tokenProvider.getToken()
    assert.deepStrictEqual(given, ["timed", { tokenType: "Bearer", expiresAt: timed.expiresAt }])
  })

  it("is told no end of a personal access token", async () => {
    const { given } = await sqlTokenProvider(having(untimed), Token).tokenProvider.getToken()
    assert.deepStrictEqual(given, ["dapi", { tokenType: "Bearer" }])
  })

  it("has the token as text", async () => {
    const { authType, getToken } = sqlExternalToken(having(timed))
    assert.deepStrictEqual([authType, await getToken()], ["external-token", "timed"])
  })

  it("has headers of its own, which it may change", async () => {
    const { authType, provider } = sqlCustom({ headers: () => Promise.resolve(Object.freeze(headers)) })
    const given = await provider.authenticate()
    assert.deepStrictEqual([authType, given], ["custom", headers])
    assert.isFalse(Object.isFrozen(given))
  })
})

describe("Databricks' SDK", () => {
  it("has all headers put on its request, and none before", async () => {
    let asked = 0
    const { configure, name } = sdkCredentials({
      headers: () => {
        asked += 1
        return Promise.resolve(headers)
      }
    })
    assert.strictEqual(name, "oauth-m2m")
    const visit = await configure()
    assert.strictEqual(asked, 0)
    const sent = new Headers({ authorization: "Basic x" })
    await visit(sent)
    assert.deepStrictEqual(Object.fromEntries(sent), headers)
  })
})
