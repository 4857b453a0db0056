import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import type { Rule } from "../../src/kubernetes/Rbac.ts"
import { get } from "../support/http.ts"
import { type Api, read, secretUrl, withApi } from "../support/kubernetes.ts"

const secrets = [{ namespace: "team-a", name: "databricks-token", data: { token: "dapi-é" } }]

describe("authentication", () => {
  const unauthorized = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "Unauthorized",
    reason: "Unauthorized",
    code: 401
  }

  it.effect("refuses a token nobody has, or has no more", () =>
    withApi(
      { secrets },
      Effect.fnUntraced(function* (api) {
        const unknown = yield* read(api, "team-a", "databricks-token", "made-up")
        assert.deepStrictEqual([unknown.status, unknown.json], [401, unauthorized])
        yield* api.revokeToken(api.token)
        assert.strictEqual((yield* read(api, "team-a", "databricks-token")).status, 401)
      })
    )
  )

  it.effect("refuses a token once its lifetime is over on Effect's clock", () =>
    withApi(
      { secrets, users: [{ username: "ann", token: "t", lifetime: "1 hour" }] },
      Effect.fnUntraced(function* (api) {
        yield* TestClock.adjust("3599 seconds")
        assert.strictEqual((yield* read(api, "team-a", "databricks-token", "t")).status, 200)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* read(api, "team-a", "databricks-token", "t")).status, 401)
      })
    )
  )

  it.effect("takes a request without a token as anonymous, unless that is turned off", () => {
    const ask = (api: Api) => get(secretUrl(api, "team-a", "databricks-token"))
    return Effect.gen(function* () {
      const allowed = yield* withApi({ secrets }, ask)
      assert.strictEqual(allowed.status, 403)
      assert.match(allowed.json.message, /User "system:anonymous" cannot get/)
      assert.strictEqual((yield* withApi({ secrets, anonymousAuth: false }, ask)).status, 401)
    })
  })

  it.effect("does not give one token to two users", () =>
    withApi(
      { users: [{ username: "ann", token: "t" }] },
      Effect.fnUntraced(function* (api) {
        const error = yield* Effect.flip(api.addUser({ username: "bob", token: "t" }))
        assert.strictEqual(error.message, "Invalid token of bob: it is the token of ann already")
      })
    )
  )
})

describe("authorization", () => {
  const statusUnder = (rules: ReadonlyArray<Rule>, username = "system:serviceaccount:flyte:flyteconnector") =>
    withApi({ secrets, rules, username }, (api) =>
      Effect.map(read(api, "team-a", "databricks-token"), ({ status }) => status)
    )

  it.effect("says in RBAC's words what is missing", () =>
    withApi(
      { secrets, rules: [] },
      Effect.fnUntraced(function* (api) {
        const { json, status } = yield* read(api, "team-a", "databricks-token")
        assert.strictEqual(status, 403)
        assert.deepStrictEqual(json, {
          kind: "Status",
          apiVersion: "v1",
          metadata: {},
          status: "Failure",
          message:
            'secrets "databricks-token" is forbidden: User "system:serviceaccount:flyte:flyteconnector" cannot get resource "secrets" in API group "" in the namespace "team-a"',
          reason: "Forbidden",
          details: { name: "databricks-token", kind: "secrets" },
          code: 403
        })
      })
    )
  )

  it.effect("comes before the Secret is looked for", () =>
    withApi(
      { rules: [] },
      Effect.fnUntraced(function* (api) {
        assert.strictEqual((yield* read(api, "team-a", "none")).status, 403)
      })
    )
  )

  const allow: Rule = { effect: "allow" }
  const cases: ReadonlyArray<readonly [name: string, rules: ReadonlyArray<Rule>, status: number]> = [
    ["everything", [allow], 200],
    ["the verb", [{ ...allow, verbs: ["get"] }], 200],
    ["another verb", [{ ...allow, verbs: ["list", "watch"] }], 403],
    ["any verb", [{ ...allow, verbs: ["*"] }], 200],
    ["the resource", [{ ...allow, resources: ["secrets"] }], 200],
    ["another resource", [{ ...allow, resources: ["serviceaccounts"] }], 403],
    ["the name", [{ ...allow, names: ["databricks-token"] }], 200],
    ["another name", [{ ...allow, names: ["databricks-oauth"] }], 403],
    ["the namespace", [{ ...allow, namespaces: ["team-a"] }], 200],
    ["another namespace", [{ ...allow, namespaces: ["team-b"] }], 403],
    ["the user", [{ ...allow, subjects: ["system:serviceaccount:flyte:flyteconnector"] }], 200],
    ["the user's namespace", [{ ...allow, subjects: ["system:serviceaccounts:flyte"] }], 200],
    ["another user", [{ ...allow, subjects: ["system:serviceaccount:flyte:other"] }], 403],
    ["the anonymous only", [{ ...allow, subjects: ["system:unauthenticated"] }], 403],
    ["it, and another rule denies it", [allow, { effect: "deny", namespaces: ["team-a"] }], 403],
    ["it after a rule that denies it", [{ effect: "deny", namespaces: ["team-a"] }, allow], 403],
    ["it, and another rule denies something else", [allow, { effect: "deny", namespaces: ["team-b"] }], 200]
  ]

  it.effect.each(cases)("where a rule allows %s", ([, rules, status]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* statusUnder(rules), status)
    })
  )

  it.effect("lets system:masters do everything", () =>
    withApi(
      { secrets, rules: [], users: [{ username: "root", token: "t", groups: ["system:masters"] }] },
      Effect.fnUntraced(function* (api) {
        assert.strictEqual((yield* read(api, "team-a", "databricks-token", "t")).status, 200)
      })
    )
  )

  it.effect("changes while the API runs", () =>
    withApi(
      { secrets },
      Effect.fnUntraced(function* (api) {
        const status = Effect.map(read(api, "team-a", "databricks-token"), ({ status }) => status)
        assert.strictEqual(yield* status, 200)
        yield* api.addRule({ effect: "deny", resources: ["secrets"] })
        assert.strictEqual(yield* status, 403)
        yield* api.setRules([{ effect: "allow" }])
        assert.strictEqual(yield* status, 200)
      })
    )
  )
})
