import { assert, describe, it } from "@effect/vitest"
import { Effect, type Redacted } from "effect"
import { TestClock } from "effect/testing"
import { DatabricksWorkspace } from "../../src/index.ts"
import { basic, bearer, form, formHeaders, get, post } from "../support/http.ts"

const applicationId = "5f0c2f3e-0000-4000-a000-000000000001"
const workspace = DatabricksWorkspace.layer({
  servicePrincipals: [{ applicationId, displayName: "team a", secrets: ["s3cret"] }]
})
const grant = { grant_type: "client_credentials", scope: "all-apis" }

const withWorkspace = <A, E>(
  test: (workspace: DatabricksWorkspace.DatabricksWorkspace["Service"]) => Effect.Effect<A, E>,
  layer = workspace
) => Effect.flatMap(DatabricksWorkspace.DatabricksWorkspace, test).pipe(Effect.provide(layer))

const tokenRequest = (url: string, parameters: Record<string, string> | string, headers: Record<string, string> = {}) =>
  post(`${url}/oidc/v1/token`, typeof parameters === "string" ? parameters : form(parameters), {
    ...formHeaders,
    ...headers
  })

describe("discovery", () => {
  it.effect("leads from databricks-config to the token endpoint, under the name the client used", () =>
    withWorkspace(
      Effect.fnUntraced(function* ({ accountId, url, workspaceId }) {
        const named = url.replace("127.0.0.1", "localhost")
        const config = yield* get(`${named}/.well-known/databricks-config`)
        assert.deepStrictEqual(config.json, {
          oidc_endpoint: `${named}/oidc`,
          account_id: accountId,
          workspace_id: workspaceId,
          cloud: "aws",
          host_type: "workspace",
          token_federation_default_oidc_audiences: [accountId]
        })
        const server = yield* get(`${config.json.oidc_endpoint}/.well-known/oauth-authorization-server`)
        assert.strictEqual(server.json.issuer, `${named}/oidc`)
        assert.strictEqual(server.json.token_endpoint, `${named}/oidc/v1/token`)
        assert.deepStrictEqual(server.json.grant_types_supported, [
          "client_credentials",
          "urn:ietf:params:oauth:grant-type:token-exchange"
        ])
      })
    )
  )
})

describe("client credentials", () => {
  it.effect("gives an opaque token for an hour, not to be stored, to a client that logs in by HTTP Basic", () =>
    withWorkspace(
      Effect.fnUntraced(function* ({ url }) {
        const reply = yield* tokenRequest(url, grant, basic(applicationId, "s3cret"))
        assert.strictEqual(reply.status, 200)
        assert.strictEqual(reply.headers["cache-control"], "no-store")
        const { access_token, ...rest } = reply.json
        assert.deepStrictEqual(rest, { scope: "all-apis", token_type: "Bearer", expires_in: 3600 })
        assert.strictEqual((yield* get(`${url}/api/2.0/preview/scim/v2/Me`, bearer(access_token))).status, 200)
      })
    )
  )

  it.effect("takes id and secret in the form as well", () =>
    withWorkspace(
      Effect.fnUntraced(function* ({ url }) {
        const reply = yield* tokenRequest(url, { ...grant, client_id: applicationId, client_secret: "s3cret" })
        assert.strictEqual(reply.status, 200)
      })
    )
  )

  it.effect("form-decodes id and secret inside HTTP Basic, as RFC 6749 says", () =>
    withWorkspace(
      Effect.fnUntraced(function* (workspace) {
        const awkward = "a:b+c d%e/é"
        yield* workspace.addServicePrincipal({ applicationId: "id:with colon", secrets: [awkward] })
        const encoded = yield* tokenRequest(workspace.url, grant, basic("id:with colon", awkward))
        assert.strictEqual(encoded.status, 200)
        const raw = { authorization: `Basic ${btoa("id:with colon:s%zz")}` }
        assert.strictEqual((yield* tokenRequest(workspace.url, grant, raw)).json.error, "invalid_client")
      })
    )
  )

  it.effect("knows every secret that was added, and none that was rotated or revoked", () =>
    withWorkspace(
      Effect.fnUntraced(function* (workspace) {
        const status = (secret: string | Redacted.Redacted) =>
          Effect.map(tokenRequest(workspace.url, grant, basic(applicationId, secret)), (reply) => reply.status)
        const second = yield* workspace.addSecret(applicationId)
        assert.deepStrictEqual([yield* status("s3cret"), yield* status(second)], [200, 200])
        assert.isTrue(yield* workspace.revokeSecret(applicationId, second))
        assert.deepStrictEqual([yield* status("s3cret"), yield* status(second)], [200, 401])
        yield* workspace.rotateSecret(applicationId, "rotated")
        assert.deepStrictEqual([yield* status("s3cret"), yield* status("rotated")], [401, 200])
        yield* workspace.removePrincipal(applicationId)
        assert.strictEqual(yield* status("rotated"), 401)
      })
    )
  )

  it.effect("refuses a secret once its lifetime is over", () =>
    withWorkspace(
      Effect.fnUntraced(function* (workspace) {
        const secret = yield* workspace.addSecret(applicationId, "short", { lifetime: "1 day" })
        const ask = tokenRequest(workspace.url, grant, basic(applicationId, secret))
        yield* TestClock.adjust("86399 seconds")
        assert.strictEqual((yield* ask).status, 200)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* ask).status, 401)
      })
    )
  )
})

describe("errors of the token endpoint", () => {
  const cases: ReadonlyArray<{
    readonly name: string
    readonly parameters: Record<string, string> | string
    readonly headers?: Record<string, string>
    readonly status: number
    readonly error: string
    readonly description?: string
  }> = [
    {
      name: "a wrong secret",
      parameters: grant,
      headers: basic(applicationId, "wrong"),
      status: 401,
      error: "invalid_client",
      description: "Client authentication failed"
    },
    {
      name: "an unknown client",
      parameters: grant,
      headers: basic("nobody", "s3cret"),
      status: 401,
      error: "invalid_client"
    },
    { name: "no client at all", parameters: grant, status: 401, error: "invalid_client" },
    {
      name: "Basic that is not base64",
      parameters: grant,
      headers: { authorization: "Basic ***" },
      status: 401,
      error: "invalid_client"
    },
    {
      name: "two ways of client authentication",
      parameters: { ...grant, client_id: applicationId, client_secret: "s3cret" },
      headers: basic(applicationId, "s3cret"),
      status: 400,
      error: "invalid_request"
    },
    { name: "no grant type", parameters: { scope: "all-apis" }, status: 400, error: "invalid_request" },
    { name: "an empty grant type", parameters: { ...grant, grant_type: "" }, status: 400, error: "invalid_request" },
    {
      name: "a grant type it does not have",
      parameters: { ...grant, grant_type: "password" },
      status: 400,
      error: "unsupported_grant_type"
    },
    {
      name: "a repeated parameter",
      parameters: "grant_type=client_credentials&scope=all-apis&scope=all-apis",
      headers: basic(applicationId, "s3cret"),
      status: 400,
      error: "invalid_request"
    },
    {
      name: "another scope",
      parameters: { ...grant, scope: "sql" },
      headers: basic(applicationId, "s3cret"),
      status: 400,
      error: "invalid_scope"
    },
    {
      name: "a JSON body",
      parameters: grant,
      headers: { "content-type": "application/json" },
      status: 400,
      error: "invalid_request"
    }
  ]

  it.effect.each(cases)("$name: $status $error", ({ description, error, headers, parameters, status }) =>
    withWorkspace(
      Effect.fnUntraced(function* ({ url }) {
        const reply = yield* tokenRequest(url, parameters, headers)
        assert.strictEqual(reply.status, status)
        assert.strictEqual(reply.json.error, error)
        assert.match(reply.json.error_id, /^[0-9a-f-]{36}$/)
        assert.notInclude(reply.text, "s3cret")
        if (description !== undefined) assert.strictEqual(reply.json.error_description, description)
      })
    )
  )
})
