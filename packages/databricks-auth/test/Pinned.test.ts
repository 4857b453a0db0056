/**
 * A run goes on as who it was submitted as. Each test submits on one connector, and polls on another one that the
 * operator has changed since.
 */
import { DatabricksAuth, Identity, Kubernetes, Recorded, type TokenCache } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Option, Redacted } from "effect"
import { instance } from "./support/environment.ts"
import { connector, jwtText, makeCluster, makeTokenFiles, offered, type Entry } from "./support/oidc.ts"
import { assertNoSecret, shownAs } from "./support/secrecy.ts"
import { host } from "./support/tokens.ts"

interface World {
  readonly env?: Record<string, string>
  readonly serviceAccounts?: Parameters<typeof makeCluster>[0]
  readonly secrets?: Parameters<typeof makeCluster>[1]
  readonly files?: Record<string, Entry>
  /** What is done to the cluster before anything else. */
  readonly change?: (memory: Kubernetes.KubernetesMemory["Service"]) => Effect.Effect<void>
}

const byDefault = "/var/run/secrets/databricks/token"
const oidc = { FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation" }
const app = { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }

/** Runs on a connector in this world; and what was asked of Kubernetes and of the file system. */
const on = <A, E>(
  { env = {}, serviceAccounts, secrets, files = {}, change }: World,
  body: Effect.Effect<A, E, DatabricksAuth.DatabricksAuth>
) =>
  Effect.gen(function* () {
    const cluster = yield* makeCluster(serviceAccounts, secrets)
    const disk = yield* makeTokenFiles(files)
    const value = yield* Effect.andThen(
      change === undefined ? Effect.void : Kubernetes.KubernetesMemory.use(change),
      body
    ).pipe(Effect.provide(connector({ env, files: disk, cluster })))
    return { value, calls: yield* cluster.calls, touched: yield* disk.touched }
  })

const submitted = (world: World, custom: Record<string, unknown> = {}) =>
  on(
    world,
    DatabricksAuth.DatabricksAuth.use((auth) =>
      Effect.gen(function* () {
        const resolved = yield* auth.resolve({ namespace: "team-a", custom })
        return { identity: resolved.identity, recorded: yield* auth.record(resolved) }
      })
    )
  ).pipe(Effect.map(({ value }) => value))

const poll = (recorded: Recorded.Recorded) =>
  DatabricksAuth.DatabricksAuth.use((auth) =>
    Effect.gen(function* () {
      const credential: TokenCache.Credential = yield* auth.recall(recorded)
      const { authorization } = yield* auth.getHeader(credential)
      return { identity: credential.identity, header: Redacted.value(authorization) }
    })
  )

/** The fields that are there, as metadata has them. */
const fields = (recorded: Recorded.Recorded): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(recorded).flatMap(([key, value]: [string, unknown]) =>
      Option.isOption(value) ? (Option.isSome(value) ? [[key, value.value]] : []) : [[key, value]]
    )
  )

const offers = { "team-a/spark": offered("app-a", "account-id") }

describe("what is recorded of a run", () => {
  it.effect("of Model 2 is ServiceAccount, namespace, client id and audience", () =>
    Effect.gen(function* () {
      const { recorded } = yield* submitted({ serviceAccounts: offers })
      assert.deepStrictEqual(fields(recorded), {
        instance,
        authType: "oidc_federation",
        clientId: "app-a",
        oidcServiceAccount: "spark",
        oidcAudience: "account-id",
        namespace: "team-a"
      })
    })
  )

  it.effect("of Model 1 is file, client id and audience, and no ServiceAccount", () =>
    Effect.gen(function* () {
      const { recorded } = yield* submitted({ env: app, files: { [byDefault]: jwtText() } })
      assert.deepStrictEqual(fields(recorded), {
        instance,
        authType: "oidc_federation",
        clientId: "app-0",
        oidcTokenFile: byDefault,
        oidcAudience: "databricks",
        namespace: "team-a"
      })
    })
  )

  it.effect("of either has no token and no JWT in it", () =>
    Effect.gen(function* () {
      for (const world of [{ serviceAccounts: offers }, { env: app, files: { [byDefault]: jwtText() } }]) {
        const { recorded } = yield* submitted(world)
        assertEquals(recorded.authToken, Option.none())
        assertNoSecret("what is recorded", ...shownAs(recorded))
      }
    })
  )

  const secrets = {
    "team-a/databricks-oauth": { client_id: "app-m", client_secret: "s" },
    "team-a/databricks-token": { token: "dapi-a" }
  }
  const shared = { ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }
  const worlds: ReadonlyArray<readonly [string, World]> = [
    ["PAT of the namespace", { secrets, env: { FLYTE_DATABRICKS_AUTH_TYPE: "pat" } }],
    ["PAT of the connector", { env: { FLYTE_DATABRICKS_AUTH_TYPE: "pat", ...shared } }],
    ["OAuth M2M of the namespace", { secrets, env: { FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m" } }],
    ["OAuth M2M of the connector", { env: { FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m", ...shared } }],
    ["OIDC Model 1", { env: { ...oidc, ...shared }, files: { [byDefault]: jwtText() } }],
    ["OIDC Model 2", { env: { ...oidc, ...shared }, serviceAccounts: offers }]
  ]
  it.effect.each(worlds)("is enough to be the same identity again: %s", ([, world]) =>
    Effect.gen(function* () {
      const { identity, recorded } = yield* submitted(world)
      const { value } = yield* on(world, poll(recorded))
      assertEquals(value.identity, identity)
      assert.strictEqual(value.identity.key, identity.key)
    })
  )
})

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
    ["its annotations were changed", { serviceAccounts: { "team-a/spark": offered("app-x", "other") } }],
    ["another one was annotated in its place", { serviceAccounts: { ...bare, "team-a/other": offered("app-x") } }],
    ["two were annotated", { serviceAccounts: { ...offers, "team-a/other": offered("app-x") } }],
    ["auth type PAT was set", { serviceAccounts: bare, secrets: weaker, env: { FLYTE_DATABRICKS_AUTH_TYPE: "pat" } }],
    [
      "auth type OAuth M2M was set",
      { serviceAccounts: bare, secrets: weaker, env: { FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m" } }
    ],
    [
      "the connector got an identity of its own",
      { serviceAccounts: bare, env: { ...oidc, ...app }, files: { [byDefault]: jwtText() } }
    ],
    ["the audience was changed", { serviceAccounts: bare, env: { FLYTE_DATABRICKS_OIDC_AUDIENCE: "other" } }],
    ["namespaces are to be ignored", { serviceAccounts: bare, env: { FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore" } }],
    [
      "the template was changed",
      { serviceAccounts: bare, env: { FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" } }
    ],
    [
      "tasks may override nothing",
      { serviceAccounts: bare, env: { FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false" } }
    ],
    ["listing was forbidden", { serviceAccounts: offers, change: fails(new Kubernetes.Forbidden({ detail: "no" })) }],
    ["listing is unavailable", { serviceAccounts: offers, change: fails(new Kubernetes.Unavailable({ detail: "no" })) }]
  ]

  it.effect.each(since)("stays who it is, and nobody is looked for, after %s", ([, world]) =>
    Effect.gen(function* () {
      const { recorded } = yield* submitted({ serviceAccounts: offers })
      const { value, calls, touched } = yield* on(world, poll(recorded))
      assert.strictEqual(value.header, asSubmitted)
      assert.deepStrictEqual(calls, ["token team-a/spark for account-id, 1h"])
      assert.deepStrictEqual(touched, [])
    })
  )

  it.effect("is nobody else after its ServiceAccount is gone, though everything else is there", () =>
    Effect.gen(function* () {
      const { recorded } = yield* submitted({ serviceAccounts: offers })
      const world = {
        env: { ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" },
        serviceAccounts: {
          "team-a/other": offered("app-a", "account-id"),
          "team-b/spark": offered("app-a", "account-id")
        },
        secrets: weaker,
        files: { [byDefault]: jwtText() }
      }
      const error = yield* Effect.flip(on(world, poll(recorded)))
      assert.strictEqual(error._tag, "AuthError")
      assert.include(error.message, "ServiceAccount spark in namespace team-a")
    })
  )
})

describe("a run of Model 1", () => {
  const files = { [byDefault]: jwtText() }
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
      { env: { ...app, ...oidc, AWS_WEB_IDENTITY_TOKEN_FILE: "/x" }, files: { ...files, "/x": jwtText({ sub: "x" }) } }
    ],
    ["the audience was changed", { env: { ...app, FLYTE_DATABRICKS_OIDC_AUDIENCE: "other" }, files }],
    [
      "auth type PAT was set",
      { env: { ...app, FLYTE_DATABRICKS_AUTH_TYPE: "pat", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }, files }
    ],
    ["its namespace got a ServiceAccount of its own", { env: app, files, serviceAccounts: offers }],
    [
      "namespaces have to bring their own",
      { env: { ...app, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require" }, files, serviceAccounts: offers }
    ]
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
      const task = { databricksClientId: "app-t", databricksOidcTokenFile: "/tokens/mine" }
      const { recorded } = yield* submitted(world, task)
      assert.strictEqual((yield* on(world, poll(recorded))).value.header, "Bearer app-t-as-mine-1")
      const { env: _, ...closed } = world
      const error = yield* Effect.flip(on(closed, poll(recorded)))
      assert.include(error.message, "FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS is empty")
    })
  )

  it.effect("whose file the operator no longer names is an error that says how to let it end", () =>
    Effect.gen(function* () {
      const moved = { "/old": jwtText(), "/new": jwtText({ sub: "new" }), [byDefault]: jwtText() }
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

describe("metadata that was tampered with", () => {
  const world: World = {
    env: app,
    files: { [byDefault]: jwtText(), "/etc/shadow": jwtText() },
    serviceAccounts: offers
  }
  const written = (changes: Partial<Recorded.Recorded>): Recorded.Recorded => ({
    ...Recorded.empty(instance),
    authType: Option.some("oidc_federation"),
    clientId: Option.some("app-a"),
    oidcAudience: Option.some("databricks"),
    namespace: Option.some("team-a"),
    ...changes
  })

  it.effect.each(["/etc/shadow", "/etc/missing", "../etc/shadow", `${byDefault}/../../../../../etc/shadow`, ""])(
    "reads no file that is not the operator's: %j",
    (file) =>
      Effect.gen(function* () {
        const disk = yield* makeTokenFiles(world.files)
        const error = yield* poll(written({ oidcTokenFile: Option.some(file) })).pipe(
          Effect.provide(connector({ env: app, files: disk })),
          Effect.flip
        )
        assert.strictEqual(error.reason._tag, "CredentialsBroken")
        assert.include(error.message, "is refused")
        assert.deepStrictEqual(yield* disk.touched, [])
      })
  )

  it.effect.each(["../secrets/x", "a/b", "Spark", "spark?x=1", "", "s".repeat(254), "."])(
    "asks for a token of no ServiceAccount that cannot be: %j",
    (name) =>
      Effect.gen(function* () {
        const cluster = yield* makeCluster(offers)
        const error = yield* poll(written({ oidcServiceAccount: Option.some(name) })).pipe(
          Effect.provide(connector({ env: app, cluster })),
          Effect.flip
        )
        assert.strictEqual(error.reason._tag, "SettingInvalid")
        assert.include(error.message, "oidc_service_account of the job metadata")
        assert.deepStrictEqual(yield* cluster.calls, [])
      })
  )

  it.effect.each(["client id", "namespace"])("is refused without a %s: none is made up for a ServiceAccount", (what) =>
    Effect.gen(function* () {
      const without = what === "namespace" ? { namespace: Option.none() } : { clientId: Option.none() }
      const recorded = written({ oidcServiceAccount: Option.some("spark"), ...without })
      const { reason, message } = yield* poll(recorded).pipe(Effect.provide(connector({ env: app })), Effect.flip)
      assert.strictEqual(reason._tag, "SettingInvalid")
      assert.include(message, 'The job metadata of a run as a ServiceAccount is "incomplete"')
      assert.include(message, "oidc_service_account, client_id and namespace")
    })
  )

  it.effect("is refused with an instance that is not on the list", () =>
    Effect.gen(function* () {
      const recorded = written({ instance: "evil.com", oidcServiceAccount: Option.some("spark") })
      const error = yield* poll(recorded).pipe(Effect.provide(connector({ env: app })), Effect.flip)
      assert.strictEqual(error.reason._tag, "InstanceRefused")
    })
  )
})

describe("what Flyte's Python connector recorded", () => {
  /** What it writes with every auth type: the OAuth Secret's name means something for OAuth M2M alone. */
  const python = (changes: Partial<Recorded.Recorded>): Recorded.Recorded => ({
    ...Recorded.empty(instance),
    oauthSecretName: Option.some("databricks-oauth"),
    namespace: Option.some("flytesnacks-development"),
    ...changes
  })
  const world: World = {
    env: { ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" },
    files: { [byDefault]: jwtText() },
    serviceAccounts: { "flytesnacks-development/spark": offered("changed-since") },
    secrets: {
      "flytesnacks-development/databricks-oauth": {
        client_id: "11111111-2222-3333-4444-555555555555",
        client_secret: "s"
      }
    }
  }
  const some = Option.some

  it.effect("of Model 1 is Model 1", () =>
    Effect.gen(function* () {
      const recorded = python({
        authType: some("oidc_federation"),
        clientId: some("c"),
        oidcTokenFile: some(byDefault),
        oidcAudience: some("databricks")
      })
      const { value, calls } = yield* on(world, poll(recorded))
      assertEquals(
        value.identity,
        new Identity.OidcConnectorIdentity({
          instance: host,
          clientId: "c",
          tokenFile: byDefault,
          audience: "databricks"
        })
      )
      assert.strictEqual(value.header, "Bearer c-as-system:serviceaccount:flyte:connector-1")
      assert.deepStrictEqual(calls, [])
    })
  )

  it.effect("of Model 1, with what its environment gave it left out, is this connector's own", () =>
    Effect.gen(function* () {
      const recorded = python({ authType: some("oidc_federation") })
      assert.strictEqual(
        (yield* on(world, poll(recorded))).value.header,
        "Bearer app-0-as-system:serviceaccount:flyte:connector-1"
      )
      const named = {
        ...world,
        env: { ...app, FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/n" },
        files: { "/n": jwtText({ sub: "n" }) }
      }
      assert.strictEqual((yield* on(named, poll(recorded))).value.header, "Bearer app-0-as-n-1")
      const error = yield* Effect.flip(on({ ...world, env: {} }, poll(recorded)))
      assert.include(error.message, "The job metadata names no client id")
    })
  )

  it.effect("of Model 2 is Model 2, with the client id that it was submitted with", () =>
    Effect.gen(function* () {
      const recorded = python({
        authType: some("oidc_federation"),
        clientId: some("sa-client"),
        oidcServiceAccount: some("spark"),
        oidcAudience: some("databricks")
      })
      const { value, calls } = yield* on(world, poll(recorded))
      assert.strictEqual(value.header, "Bearer sa-client-as-system:serviceaccount:flytesnacks-development:spark-1")
      assert.deepStrictEqual(calls, ["token flytesnacks-development/spark for databricks, 1h"])
    })
  )

  it.effect("of OAuth M2M is OAuth M2M, with and without a client id", () =>
    Effect.gen(function* () {
      for (const clientId of [some("11111111-2222-3333-4444-555555555555"), Option.none()]) {
        const { value } = yield* on(world, poll(python({ authType: some("oauth_m2m"), clientId })))
        assert.strictEqual(value.header, "Bearer 11111111-2222-3333-4444-555555555555-by-its-secret-1")
      }
    })
  )

  it.effect("of a PAT is that PAT, also without a namespace", () =>
    Effect.gen(function* () {
      for (const namespace of [some("flytesnacks-development"), Option.none()]) {
        const recorded = python({ authType: some("pat"), authToken: some(Redacted.make("dapi-stored")), namespace })
        const { value, calls } = yield* on(world, poll(recorded))
        assert.strictEqual(value.header, "Bearer dapi-stored")
        assert.deepStrictEqual(calls, [])
      }
    })
  )

  it.effect("of OAuth M2M with its own client id beside a Secret's name says nothing: the Secret decides", () =>
    Effect.gen(function* () {
      const recorded = python({ authType: some("oauth_m2m"), clientId: some("app-0") })
      const own = yield* on(world, poll(recorded))
      assert.strictEqual(own.value.header, "Bearer 11111111-2222-3333-4444-555555555555-by-its-secret-1")
      assert.strictEqual(own.value.identity.principal, "not recorded at submit")
      const without = yield* on({ ...world, secrets: {} }, poll(recorded))
      assert.strictEqual(without.value.header, "Bearer app-0-by-its-secret-1")
    })
  )

  it.effect("of OAuth M2M without a namespace is the connector's, as the client id that is recorded", () =>
    Effect.gen(function* () {
      const recorded = python({ authType: some("oauth_m2m"), namespace: Option.none() })
      for (const clientId of ["app-0", "app-other"]) {
        const { identity } = yield* on(
          world,
          DatabricksAuth.DatabricksAuth.use((auth) => auth.recall({ ...recorded, clientId: some(clientId) }))
        ).pipe(Effect.map(({ value }) => value))
        assert.strictEqual(identity.principal, clientId)
        assert.strictEqual(identity.source, "not recorded at submit")
      }
    })
  )

  it.effect("of Model 2 without an audience is for the default one", () =>
    Effect.gen(function* () {
      const recorded = python({
        authType: some("oidc_federation"),
        clientId: some("sa-client"),
        oidcServiceAccount: some("spark")
      })
      const { calls } = yield* on(world, poll(recorded))
      assert.deepStrictEqual(calls, ["token flytesnacks-development/spark for databricks, 1h"])
    })
  )

  it.effect("of Model 1 without a client id, on a connector without one, is nobody", () =>
    Effect.gen(function* () {
      const recorded = python({ authType: some("oidc_federation") })
      const { message } = yield* Effect.flip(on({ files: world.files! }, poll(recorded)))
      assert.include(message, "No credentials for the run's identity (OIDC federation as the connector)")
      assert.include(message, "FLYTE_DATABRICKS_CLIENT_ID of the connector: absent")
      assert.include(message, "set it on the connector that submitted the run")
    })
  )

  it.effect("of a PAT beside the OAuth Secret's name, today's or the default one, is not that Secret's", () =>
    Effect.gen(function* () {
      const env = { ...world.env, FLYTE_DATABRICKS_OAUTH_SECRET_NAME: "team-oauth" }
      for (const name of ["team-oauth", "databricks-oauth", "databricks-token"]) {
        const recorded = python({
          authType: some("pat"),
          authToken: some(Redacted.make("dapi-stored")),
          oauthSecretName: some(name)
        })
        const { identity } = (yield* on({ ...world, env }, poll(recorded))).value
        const isOwn = name === "databricks-token"
        assert.strictEqual(
          identity.source,
          isOwn ? "Secret flytesnacks-development/databricks-token" : "not recorded at submit"
        )
      }
    })
  )

  it.effect("before there was a choice is a PAT, whatever is set today", () =>
    Effect.gen(function* () {
      const since = { ...world, env: { ...world.env, ...oidc } }
      assert.strictEqual((yield* on(since, poll(Recorded.empty(instance)))).value.header, "Bearer dapi-0")
      const stored = { ...Recorded.empty(instance), authToken: some(Redacted.make("dapi-old")) }
      assert.strictEqual((yield* on(since, poll(stored))).value.header, "Bearer dapi-old")
    })
  )

  it.effect("in a draft, with the PAT Secret's name, is that Secret's", () =>
    Effect.gen(function* () {
      const recorded = {
        ...Recorded.empty(instance),
        authType: some("pat" as const),
        tokenSecretName: some("team-token"),
        namespace: some("ns")
      }
      for (const oauthSecretName of [Option.none(), some("databricks-oauth"), some("other")]) {
        const { value } = yield* on(
          { ...world, secrets: { "ns/team-token": { token: "dapi-ns" } } },
          poll({ ...recorded, oauthSecretName })
        )
        assert.strictEqual(value.header, "Bearer dapi-ns")
      }
    })
  )
})
