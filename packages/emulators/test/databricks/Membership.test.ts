/** The account gives tokens to principals that are not in the workspace; the workspace lets none of them in. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { bearer, get, post } from "../support/http.ts"
import { jobs, notebook, withWorkspace } from "../support/workspace.ts"

const tokenOf = Effect.fnUntraced(function* (url: string, id: string, secret: string) {
  const basic = Buffer.from(`${id}:${secret}`).toString("base64")
  const { json } = yield* post(`${url}/oidc/v1/token`, "grant_type=client_credentials&scope=all-apis", {
    authorization: `Basic ${basic}`,
    "content-type": "application/x-www-form-urlencoded"
  })
  return (json as { readonly access_token: string }).access_token
})

describe("a service principal that is not in the workspace", () => {
  it.effect("gets a token, and 403 from every API", () =>
    withWorkspace(
      { servicePrincipals: [{ applicationId: "sp-out", secrets: ["s"], inWorkspace: false }], accessTokens: "jwt" },
      Effect.fnUntraced(function* ({ url }) {
        const token = yield* tokenOf(url, "sp-out", "s")
        const [, payload = ""] = token.split(".")
        assert.include(JSON.parse(Buffer.from(payload, "base64url").toString()), { sub: "sp-out" })
        for (const path of ["/api/2.0/preview/scim/v2/Me", "/api/2.1/jobs/runs/list?limit=1"]) {
          const { status, json } = yield* get(`${url}${path}`, bearer(token))
          assert.deepStrictEqual([status, (json as { error_code: string }).error_code], [403, "PERMISSION_DENIED"])
        }
      })
    )
  )
})

describe("runs/list", () => {
  it.effect("has the runs that the caller may see, newest first, as many as asked for", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const [first, second] = [yield* jobs(workspace).submitted(notebook), yield* jobs(workspace).submitted(notebook)]
        const list = (user: string, limit = 20) =>
          Effect.map(
            get(`${workspace.url}/api/2.1/jobs/runs/list?limit=${limit}`, bearer(`dapi-${user}`)),
            ({ text, status }) => ({
              status,
              ids: [first, second].filter((id) => text.includes(`"run_id":${id},`)),
              more: text.includes('"has_more":true')
            })
          )
        assert.deepStrictEqual((yield* list("ann")).ids, [first, second])
        assert.deepStrictEqual([(yield* list("ann", 1)).ids, (yield* list("ann", 1)).more], [[second], true])
        assert.deepStrictEqual((yield* list("bob")).ids, [])
        assert.strictEqual((yield* list("bob", 26)).status, 400)
        assert.notStrictEqual(first, second)
      })
    )
  )
})
