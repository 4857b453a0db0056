import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { basic, bearer, form, formHeaders, get, post } from "../support/http.ts"
import { withWorkspace, type Workspace } from "../support/workspace.ts"

const me = ({ url }: Workspace, token: string | Redacted.Redacted) =>
  get(`${url}/api/2.0/preview/scim/v2/Me`, bearer(token))

const login = Effect.fnUntraced(function* (workspace: Workspace) {
  const { applicationId, secrets } = yield* workspace.addServicePrincipal({ displayName: "team a" })
  const reply = yield* post(
    `${workspace.url}/oidc/v1/token`,
    form({ grant_type: "client_credentials", scope: "all-apis" }),
    { ...formHeaders, ...basic(applicationId, secrets[0]!) }
  )
  return { applicationId, token: reply.json.access_token as string }
})

describe("who calls", () => {
  it.effect("is the service principal of an OAuth token", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const { applicationId, token } = yield* login(workspace)
        const reply = yield* me(workspace, token)
        assert.strictEqual(reply.json.userName, applicationId)
        assert.strictEqual(reply.json.displayName, "team a")
        assert.strictEqual(reply.headers["x-databricks-org-id"], workspace.workspaceId)
      })
    )
  )

  it.effect("is the owner of a personal access token, a user or a service principal", () =>
    withWorkspace(
      {
        users: [{ userName: "ann@example.com", pats: ["dapi-ann"], admin: true }],
        servicePrincipals: [{ applicationId: "sp", pats: ["dapi-sp"] }]
      },
      Effect.fnUntraced(function* (workspace) {
        const ann = yield* me(workspace, "dapi-ann")
        assert.strictEqual(ann.json.userName, "ann@example.com")
        assert.deepStrictEqual(ann.json.groups, [{ display: "admins", type: "direct" }])
        assert.strictEqual((yield* me(workspace, "dapi-sp")).json.userName, "sp")
      })
    )
  )
})

describe("a token that is no longer good", () => {
  it.effect("has expired on Effect's clock, to the second", () =>
    withWorkspace(
      { tokenLifetime: "10 minutes" },
      Effect.fnUntraced(function* (workspace) {
        const { token } = yield* login(workspace)
        yield* TestClock.adjust("599 seconds")
        assert.strictEqual((yield* me(workspace, token)).status, 200)
        yield* TestClock.adjust("1 second")
        const expired = yield* me(workspace, token)
        assert.strictEqual(expired.status, 401)
        assert.match(expired.json.message, /^Invalid access token\. \[ReqId: [0-9a-f-]{36}\]$/)
      })
    )
  )

  it.effect("was revoked: one principal's or everybody's", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const a = yield* login(workspace)
        const b = yield* login(workspace)
        assert.strictEqual(yield* workspace.revokeTokens(a.applicationId), 1)
        assert.strictEqual((yield* me(workspace, a.token)).status, 401)
        assert.strictEqual((yield* me(workspace, b.token)).status, 200)
        assert.strictEqual(yield* workspace.revokeTokens(), 1)
        assert.strictEqual((yield* me(workspace, b.token)).status, 401)
      })
    )
  )

  it.effect("belongs to a principal that was removed", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const { applicationId, token } = yield* login(workspace)
        const pat = yield* workspace.addPat(applicationId)
        assert.isTrue(yield* workspace.removePrincipal(applicationId))
        assert.strictEqual((yield* me(workspace, token)).status, 401)
        assert.strictEqual((yield* me(workspace, pat)).status, 401)
      })
    )
  )

  it.effect("is a personal access token that was revoked or has expired", () =>
    withWorkspace(
      { users: [{ userName: "ann" }] },
      Effect.fnUntraced(function* (workspace) {
        const first = yield* workspace.addPat("ann")
        const second = yield* workspace.addPat("ann", "dapi-2", { lifetime: "90 days" })
        assert.match(Redacted.value(first), /^dapi[0-9a-f]{32}$/)
        assert.isTrue(yield* workspace.revokePat(first))
        assert.strictEqual((yield* me(workspace, first)).status, 401)
        assert.strictEqual((yield* me(workspace, second)).status, 200)
        yield* TestClock.adjust("90 days")
        assert.strictEqual((yield* me(workspace, second)).status, 401)
      })
    )
  )

  it.effect("answers 403 where the workspace is set to", () =>
    withWorkspace(
      { invalidTokenStatus: 403 },
      Effect.fnUntraced(function* (workspace) {
        const reply = yield* me(workspace, "made-up")
        assert.strictEqual(reply.status, 403)
        assert.strictEqual(reply.json.error_code, "403")
        assert.match(reply.json.message, /^Invalid access token\./)
      })
    )
  )

  it.effect("is about to expire, where the workspace minds that", () =>
    withWorkspace(
      { refuseTokensExpiringWithin: "30 seconds" },
      Effect.fnUntraced(function* (workspace) {
        const { token } = yield* login(workspace)
        yield* TestClock.adjust("3569 seconds")
        assert.strictEqual((yield* me(workspace, token)).status, 200)
        yield* TestClock.adjust("1 second")
        const reply = yield* me(workspace, token)
        assert.strictEqual(reply.status, 403)
        assert.match(reply.json.message, /^Token is expiring within 30 seconds\./)
      })
    )
  )

  it.effect("was not sent at all: another message", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ url }) {
        const reply = yield* get(`${url}/api/2.1/jobs/runs/get?run_id=1`)
        assert.strictEqual(reply.status, 401)
        assert.match(reply.json.message, /^Credential was not sent or was of an unsupported type for this API\./)
      })
    )
  )
})

describe("the directory", () => {
  it.effect("tells a caller what it cannot do", () =>
    withWorkspace(
      {
        users: [{ userName: "ann" }],
        servicePrincipals: [{ applicationId: "sp", secrets: ["1", "2", "3", "4", "5"] }]
      },
      Effect.fnUntraced(function* (workspace) {
        const problem = (effect: Effect.Effect<unknown, { readonly message: string }>) =>
          Effect.map(Effect.flip(effect), ({ message }) => message)
        assert.strictEqual(
          yield* problem(workspace.addSecret("nobody")),
          'The emulator has no principal "nobody" (known: sp, ann)'
        )
        assert.strictEqual(
          yield* problem(workspace.addUser({ userName: "ann" })),
          'The emulator already has a principal "ann"'
        )
        assert.match(yield* problem(workspace.addSecret("ann")), /OAuth secrets are for service principals/)
        assert.match(yield* problem(workspace.addSecret("sp")), /"sp" has 5 already/)
      })
    )
  )
})
