import { Kubernetes } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { jwtText } from "../support/jwt.ts"
import { defaultPath, explicit, offered } from "../support/oidc.ts"
import { app, offers, on, poll, submitted, type World } from "./World.ts"

describe("a run of Model 2", () => {
  const asSubmitted = "Bearer app-a-as-system:serviceaccount:team-a:spark-1"
  const bare = { "team-a/spark": {} }
  const weaker = {
    "team-a/databricks-oauth": { client_id: "app-m", client_secret: "s" },
    "team-a/databricks-token": { token: "dapi-a" }
  }
  const fails = (reason: Kubernetes.KubernetesError["reason"]) => (memory: Kubernetes.KubernetesMemory["Service"]) =>
    memory.failServiceAccounts("team-a", Option.some(reason))
  const since: ReadonlyArray<readonly [string, World]> = [
    ["nothing changed", { serviceAccounts: offers }],
    ["its label and annotations were taken away", { serviceAccounts: bare }],
    ["another one was annotated in its place", { serviceAccounts: { ...bare, "team-a/other": offered("app-x") } }],
    ["two were annotated", { serviceAccounts: { ...offers, "team-a/other": offered("app-x") } }],
    ["auth type PAT was set", { serviceAccounts: bare, secrets: weaker, env: { FLYTE_DATABRICKS_AUTH_TYPE: "pat" } }],
    [
      "auth type OAuth M2M was set",
      { serviceAccounts: bare, secrets: weaker, env: { FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m" } }
    ],
    [
      "the connector got an identity of its own",
      { serviceAccounts: bare, env: { ...explicit, ...app }, files: { [defaultPath]: jwtText() } }
    ],
    [
      "the connector's audience was changed",
      { serviceAccounts: offers, env: { FLYTE_DATABRICKS_OIDC_AUDIENCE: "other" } }
    ],
    ["namespaces are to be ignored", { serviceAccounts: bare, env: { FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore" } }],
    [
      "the template was changed",
      { serviceAccounts: bare, env: { FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" } }
    ],
    [
      "tasks may override nothing",
      { serviceAccounts: bare, env: { FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false" } }
    ],
    ["listing was forbidden", { serviceAccounts: offers, change: fails(new Kubernetes.Forbidden({ detail: "no" })) }]
  ]
  // Once its annotation is gone, only the operator can say that the audience is a good one.
  const listed = { FLYTE_DATABRICKS_ALLOWED_AUDIENCES: "account-id" }

  it.effect.each(since)("stays who it is after %s", ([, world]) =>
    Effect.gen(function* () {
      const { recorded } = yield* submitted({ serviceAccounts: offers })
      const { value, calls, touched } = yield* on({ ...world, env: { ...listed, ...world.env } }, poll(recorded))
      assert.strictEqual(value.header, asSubmitted)
      assert.strictEqual(calls.at(-1), "token team-a/spark for account-id, 1h")
      assert.isEmpty(calls.filter((call) => call.startsWith("get ")))
      assert.deepStrictEqual(touched, [])
    })
  )

  it.effect("is not looked for where namespaces are to be ignored: a JWT is all that is asked for", () =>
    Effect.gen(function* () {
      const { recorded } = yield* submitted({ serviceAccounts: offers })
      const env = { ...listed, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore" }
      const { calls } = yield* on({ serviceAccounts: offers, env }, poll(recorded))
      assert.deepStrictEqual(calls, ["token team-a/spark for account-id, 1h"])
    })
  )

  it.effect("waits where its ServiceAccount cannot be looked at just now", () =>
    Effect.gen(function* () {
      const { recorded } = yield* submitted({ serviceAccounts: offers })
      const change = fails(new Kubernetes.Unavailable({ detail: "no" }))
      const error = yield* Effect.flip(on({ serviceAccounts: offers, change }, poll(recorded)))
      assert(error._tag === "AuthError")
      assert.isTrue(error.retryable)
    })
  )

  it.effect("is another principal's where its ServiceAccount names another client id", () =>
    Effect.gen(function* () {
      const { recorded } = yield* submitted({ serviceAccounts: offers })
      const serviceAccounts = { "team-a/spark": offered("app-x", "account-id") }
      const error = yield* Effect.flip(on({ serviceAccounts }, poll(recorded)))
      assert(error._tag === "AuthError")
      assert.strictEqual(error.reason._tag, "IdentityChanged")
    })
  )

  it.effect.each(["sts.amazonaws.com", "databricks-of-another-account"])(
    "gets no JWT for an audience that neither the operator nor its annotation says: %s",
    (audience) =>
      Effect.gen(function* () {
        const { recorded } = yield* submitted({ serviceAccounts: offers })
        const forged = { ...recorded, oidcAudience: Option.some(audience) }
        for (const serviceAccounts of [offers, bare]) {
          const error = yield* Effect.flip(on({ serviceAccounts }, poll(forged)))
          assert(error._tag === "AuthError")
          assert(error.reason._tag === "IdentityRefused", error.message)
          const allowed = serviceAccounts === offers ? "databricks, account-id" : "databricks"
          const why = `audience ${audience} is neither its annotation's nor one of ${allowed}`
          assert.strictEqual(error.reason.why, why)
          assert.strictEqual(error.reason.setting, "FLYTE_DATABRICKS_ALLOWED_AUDIENCES")
        }
      })
  )

  it.effect("gets no JWT that the cluster's own API server accepts, also where an operator lists the audience", () =>
    Effect.gen(function* () {
      const { recorded } = yield* submitted({ serviceAccounts: offers })
      for (const audience of ["https://kubernetes.default.svc", "kubernetes", "https://kubernetes.memory"]) {
        const forged = { ...recorded, oidcAudience: Option.some(audience) }
        const world = { serviceAccounts: offers, env: { FLYTE_DATABRICKS_ALLOWED_AUDIENCES: audience } }
        const error = yield* Effect.flip(on(world, poll(forged)))
        assert.include(error.message, "expected one that the cluster's own API server does not accept")
      }
    })
  )

  it.effect("is nobody else after its ServiceAccount is gone, though everything else is there", () =>
    Effect.gen(function* () {
      const { recorded } = yield* submitted({ serviceAccounts: offers })
      const world = {
        env: { ...listed, ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" },
        serviceAccounts: {
          "team-a/other": offered("app-a", "account-id"),
          "team-b/spark": offered("app-a", "account-id")
        },
        secrets: weaker,
        files: { [defaultPath]: jwtText() }
      }
      const error = yield* Effect.flip(on(world, poll(recorded)))
      assert.strictEqual(error._tag, "AuthError")
      assert.include(error.message, "ServiceAccount spark in namespace team-a")
    })
  )
})

describe("a run of Model 1", () => {
  const files = { [defaultPath]: jwtText() }
  const asSubmitted = "Bearer app-0-as-system:serviceaccount:flyte:connector-1"
  const since: ReadonlyArray<readonly [string, World]> = [
    ["nothing changed", { env: app, files }],
    ["the connector got another client id", { env: { FLYTE_DATABRICKS_CLIENT_ID: "app-x" }, files }],
    ["the connector's client id was taken away", { files }],
    [
      "another file was named",
      { env: { ...app, FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/x" }, files: { ...files, "/x": jwtText({ sub: "x" }) } }
    ],
    [
      "AWS named another file",
      {
        env: { ...app, ...explicit, AWS_WEB_IDENTITY_TOKEN_FILE: "/x" },
        files: { ...files, "/x": jwtText({ sub: "x" }) }
      }
    ],
    ["the audience was changed", { env: { ...app, FLYTE_DATABRICKS_OIDC_AUDIENCE: "other" }, files }],
    [
      "auth type PAT was set",
      { env: { ...app, FLYTE_DATABRICKS_AUTH_TYPE: "pat", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }, files }
    ],
    ["its namespace got a ServiceAccount of its own", { env: app, files, serviceAccounts: offers }]
  ]

  it.effect.each(since)("stays who it is, and no namespace is looked into, after %s", ([, world]) =>
    Effect.gen(function* () {
      const { recorded } = yield* submitted({ env: app, files })
      const { value, calls } = yield* on(world, poll(recorded))
      assert.strictEqual(value.header, asSubmitted)
      assert.strictEqual(value.identity._tag === "oidc_connector" && value.identity.audience, "databricks")
      assert.deepStrictEqual(calls, [])
    })
  )

  it.effect("is who the task said, from a file inside of the operator's directories", () =>
    Effect.gen(function* () {
      const env = { FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: "/tokens" }
      const world = { env, files: { "/tokens/mine": jwtText({ sub: "mine" }) } }
      const task = { clientId: "app-t", oidcTokenFile: "/tokens/mine" }
      const { recorded } = yield* submitted(world, task)
      assert.strictEqual((yield* on(world, poll(recorded))).value.header, "Bearer app-t-as-mine-1")
      const { env: _, ...closed } = world
      const error = yield* Effect.flip(on(closed, poll(recorded)))
      assert.include(error.message, "FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS is empty")
    })
  )

  it.effect("whose file the operator no longer names is an error that says how to let it end", () =>
    Effect.gen(function* () {
      const moved = { "/old": jwtText(), "/new": jwtText({ sub: "new" }), [defaultPath]: jwtText() }
      const { recorded } = yield* submitted({ env: { ...app, FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/old" }, files: moved })
      const error = yield* Effect.flip(
        on({ env: { ...app, FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/new" }, files: moved }, poll(recorded))
      )
      assert.include(error.message, "JWT file /old (pinned when the run was submitted) is refused")
      assert.include(error.message, "FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS")
      const world = { env: { ...app, FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: "/" }, files: moved }
      assert.include((yield* on(world, poll(recorded))).value.header, "app-0-as-system")
    })
  )
})
