/** Several workspaces behind one host, as an account-wide address of Databricks has them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { DatabricksWorkspace } from "../../src/index.ts"
import { basic, bearer, form, formHeaders, get, post } from "../support/http.ts"
import { digits, notebook } from "../support/workspace.ts"

const header = (id: string) => ({ "x-databricks-workspace-id": id })
const me = "/api/2.0/preview/scim/v2/Me"
const grant = form({ grant_type: "client_credentials", scope: "all-apis" })

const withUnified = <A, E>(
  test: (workspace: DatabricksWorkspace.DatabricksWorkspace["Service"]) => Effect.Effect<A, E>
) =>
  Effect.flatMap(DatabricksWorkspace.DatabricksWorkspace, test).pipe(
    Effect.provide(
      DatabricksWorkspace.layer({
        unifiedWorkspaces: ["11", "22"],
        servicePrincipals: [{ applicationId: "sp", secrets: ["s"] }],
        users: [
          { userName: "ann", pats: ["dapi-ann"], workspaces: ["11"] },
          { userName: "admin", pats: ["dapi-admin"], admin: true }
        ]
      })
    )
  )

describe("a host that serves several workspaces", () => {
  it.effect("leads to the token endpoint of the account, and gives no tokens anywhere else", () =>
    withUnified(
      Effect.fnUntraced(function* ({ accountId, url }) {
        const config = yield* get(`${url}/.well-known/databricks-config`)
        assert.deepInclude(config.json, {
          oidc_endpoint: `${url}/oidc/accounts/{account_id}`,
          account_id: accountId,
          host_type: "unified"
        })
        assert.notProperty(config.json, "workspace_id")
        const server = yield* get(`${url}/oidc/accounts/${accountId}/.well-known/oauth-authorization-server`)
        assert.strictEqual(server.json.token_endpoint, `${url}/oidc/accounts/${accountId}/v1/token`)
        const headers = { ...formHeaders, ...basic("sp", "s") }
        assert.strictEqual((yield* post(server.json.token_endpoint, grant, headers)).status, 200)
        assert.strictEqual((yield* post(`${url}/oidc/v1/token`, grant, headers)).status, 404)
      })
    )
  )

  it.effect("wants the workspace's id with each call of its APIs, and with no OAuth call", () =>
    withUnified(
      Effect.fnUntraced(function* ({ accountId, url }) {
        const call = (headers: Record<string, string>) =>
          Effect.map(get(`${url}${me}`, { ...bearer("dapi-admin"), ...headers }), ({ status, json, headers }) => [
            status,
            json.message?.replace(/ \[ReqId.*/, "") ?? headers["x-databricks-org-id"]
          ])
        assert.deepStrictEqual(yield* call(header("11")), [200, "11"])
        assert.deepStrictEqual(yield* call(header("22")), [200, "22"])
        const unsupported = "Credential was not sent or was of an unsupported type for this API."
        assert.deepStrictEqual(yield* call({}), [401, unsupported])
        assert.deepStrictEqual(yield* call(header("33")), [400, "There is no workspace 33 behind this host."])
        const headers = { ...formHeaders, ...basic("sp", "s"), ...header("11") }
        const { json, status } = yield* post(`${url}/oidc/accounts/${accountId}/v1/token`, grant, headers)
        assert.deepStrictEqual([status, json.error], [400, "invalid_request"])
      })
    )
  )

  it.effect("keeps runs, idempotency tokens and members of each workspace apart", () =>
    withUnified(
      Effect.fnUntraced(function* ({ runs, url }) {
        const as = (user: string, id: string) => ({ ...bearer(`dapi-${user}`), ...header(id) })
        const submit = (user: string, id: string) =>
          post(`${url}/api/2.1/jobs/runs/submit`, { ...notebook, idempotency_token: "t" }, as(user, id))
        const first = digits((yield* submit("admin", "11")).text, "run_id")
        const second = digits((yield* submit("admin", "22")).text, "run_id")
        assert.notStrictEqual(first, second)
        const get1 = (run: string, id: string) =>
          Effect.map(get(`${url}/api/2.1/jobs/runs/get?run_id=${run}`, as("admin", id)), ({ status, json }) => [
            status,
            json.run_page_url?.startsWith(`${url}/?o=${id}#`) ?? json.message
          ])
        assert.deepStrictEqual(yield* get1(first, "11"), [200, true])
        assert.deepStrictEqual(yield* get1(first, "22"), [400, `Run ${first} does not exist.`])
        assert.strictEqual((yield* submit("ann", "11")).status, 200)
        assert.deepInclude(yield* submit("ann", "22"), { status: 403 })
        assert.deepStrictEqual(
          (yield* runs).map(({ workspaceId }) => workspaceId),
          ["11", "22"]
        )
      })
    )
  )
})

describe("a host of one workspace", () => {
  it.effect("takes its own id, and no other one, and none with an OAuth call", () =>
    Effect.flatMap(
      DatabricksWorkspace.DatabricksWorkspace,
      Effect.fnUntraced(function* ({ url, workspaceId }) {
        const call = (id: string) =>
          Effect.map(get(`${url}${me}`, { ...bearer("dapi-ann"), ...header(id) }), ({ status }) => status)
        assert.deepStrictEqual([yield* call(workspaceId), yield* call("5")], [200, 400])
        const headers = { ...formHeaders, ...basic("sp", "s"), ...header(workspaceId) }
        assert.strictEqual((yield* post(`${url}/oidc/v1/token`, grant, headers)).status, 400)
      })
    ).pipe(
      Effect.provide(
        DatabricksWorkspace.layer({
          servicePrincipals: [{ applicationId: "sp", secrets: ["s"] }],
          users: [{ userName: "ann", pats: ["dapi-ann"] }]
        })
      )
    )
  )
})
