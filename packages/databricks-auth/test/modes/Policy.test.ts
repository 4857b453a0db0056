/**
 * What today's settings say of an identity: at submit, and of a run whose metadata a caller sent back, and may have
 * written.
 */
import {
  ConnectorSettings,
  Identity,
  IdentityRecord,
  Kubernetes,
  TokenEndpoint,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import * as Policy from "@flyte-databricks/databricks-auth/modes/Policy"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, Result } from "effect"
import { auth, connector, type Surroundings } from "../support/connector.ts"
import { instance } from "../support/environment.ts"
import { host } from "../support/tokens.ts"

const other = "other.cloud.databricks.com"
const shared: Surroundings = {
  secrets: {
    FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0",
    FLYTE_DATABRICKS_CLIENT_ID: "app-0",
    FLYTE_DATABRICKS_CLIENT_SECRET: "s0"
  },
  jwtFile: "/var/run/secrets/databricks/token"
}
const own: Surroundings = {
  cluster: {
    "team-a/databricks-token": { token: "dapi-a" },
    "team-a/databricks-oauth": { client_id: "app-a", client_secret: "s-a" }
  },
  serviceAccounts: {
    "team-a/spark": {
      labels: { "flyte.org/databricks-enabled": "true" },
      annotations: { "flyte.org/databricks-client-id": "app-a" }
    }
  }
}
const types = Identity.AuthType.literals

/** Metadata of a run, as its caller sends it back. */
const record = (fields: Partial<IdentityRecord.IdentityRecord>) => ({ ...IdentityRecord.empty(instance), ...fields })
const some = Option.some

/** What shared identities are recorded as. */
const sharedRuns: Record<string, Partial<IdentityRecord.IdentityRecord>> = {
  pat: { authType: some("pat") },
  oauth_m2m: { authType: some("oauth_m2m"), clientId: some("app-0") },
  oidc_federation: { authType: some("oidc_federation"), clientId: some("app-0") }
}

/** What of the namespace's own. */
const ownRuns: Record<string, Partial<IdentityRecord.IdentityRecord>> = {
  pat: { authType: some("pat"), namespace: some("team-a"), oauthSecretName: some("databricks-token") },
  oauth_m2m: {
    authType: some("oauth_m2m"),
    clientId: some("app-a"),
    namespace: some("team-a"),
    oauthSecretName: some("databricks-oauth")
  },
  oidc_federation: {
    authType: some("oidc_federation"),
    clientId: some("app-a"),
    oidcServiceAccount: some("spark"),
    namespace: some("team-a")
  }
}

/** The header of a run, or why there is none. */
const poll = (run: Partial<IdentityRecord.IdentityRecord>) =>
  auth.use((boundary) => Effect.flatMap(boundary.recall(record(run)), boundary.getHeader))
const refusal = (run: Partial<IdentityRecord.IdentityRecord>) =>
  Effect.map(Effect.flip(poll(run)), ({ reason }) => reason)
const nothingSent = Effect.gen(function* () {
  assert.deepStrictEqual(yield* TokenEndpoint.TokenEndpointMemory.use(({ requests }) => requests), [])
})
const nothingAsked = Effect.gen(function* () {
  yield* nothingSent
  assert.deepStrictEqual(yield* Kubernetes.KubernetesMemory.use(({ reads }) => reads), [])
})

const settingsOf = (options: ConnectorSettings.Options) =>
  Effect.provide(ConnectorSettings.ConnectorSettings, ConnectorSettings.layer(options))

describe("the connector's own credentials", () => {
  it.effect.each(types)("of %s go to the operator's instance, and to no other of Databricks'", (authType) =>
    Effect.gen(function* () {
      const { resolve } = yield* auth
      const task = { namespace: "team-b", settings: { authType } }
      assert.match((yield* resolve(task)).identity.source, /^(connector|JWT file)/)
      const { message } = yield* Effect.flip(resolve({ ...task, settings: { authType, instance: other } }))
      assert.include(message, `the connector's own credentials go only to ${instance}`)
      const reason = yield* refusal({ ...sharedRuns[authType], instance: other })
      assert(reason._tag === "IdentityRefused", reason.message)
      assert.strictEqual(reason.why, `the connector's own credentials go only to ${instance}`)
      assert.strictEqual(reason.setting, "FLYTE_DATABRICKS_ALLOWED_INSTANCES")
      yield* nothingSent
    }).pipe(Effect.provide(connector(shared)))
  )

  it.effect("go to every instance that the operator lists", () =>
    Effect.gen(function* () {
      const { resolve } = yield* auth
      for (const authType of types) yield* resolve({ namespace: "team-b", settings: { authType, instance: other } })
    }).pipe(Effect.provide(connector({ ...shared, settings: { allowedInstances: [instance, other] } })))
  )

  it.effect("go to no other, and the error lists which those are", () =>
    Effect.gen(function* () {
      const today = yield* settingsOf({ allowedInstances: [instance, "*.example.com"] })
      assert.isUndefined(Policy.whyNotShared(today, host))
      assert.deepStrictEqual(Policy.whyNotShared(today, WorkspaceHost.WorkspaceHost.make(other)), {
        why: `the connector's own credentials go only to ${instance}, *.example.com`,
        setting: "FLYTE_DATABRICKS_ALLOWED_INSTANCES"
      })
    })
  )

  it.effect("go to Databricks' domains where the operator names no instance", () =>
    Effect.gen(function* () {
      const { resolve } = yield* auth
      for (const authType of types) yield* resolve({ namespace: "team-b", settings: { authType, instance: other } })
    }).pipe(Effect.provide(connector({ ...shared, settings: { instance: undefined } })))
  )

  it.effect("leave a namespace's own free to go to the others", () =>
    Effect.gen(function* () {
      const { resolve } = yield* auth
      for (const authType of types) {
        const { identity } = yield* resolve({ namespace: "team-a", settings: { authType, instance: other } })
        assert.strictEqual(identity.instance, other)
      }
    }).pipe(Effect.provide(connector({ ...shared, ...own })))
  )
})

describe("where each namespace has to bring its own", () => {
  const strict = { ...shared, ...own, settings: { namespaceIdentity: "require" } } as const

  it.effect.each(types)("a run that says that it is the connector's is refused: %s", (authType) =>
    Effect.gen(function* () {
      const reason = yield* refusal(sharedRuns[authType]!)
      assert(reason._tag === "IdentityRefused", reason.message)
      assert.strictEqual(reason.why, "shared by namespaces, and FLYTE_DATABRICKS_NAMESPACE_IDENTITY is require")
      assert.strictEqual(reason.setting, "FLYTE_DATABRICKS_NAMESPACE_IDENTITY")
      yield* nothingAsked
      yield* poll(ownRuns[authType]!)
    }).pipe(Effect.provide(connector(strict)))
  )

  it.effect("a run that does not say whose it is, is its namespace's or nobody's", () =>
    Effect.gen(function* () {
      const unrecorded = { authType: some("oauth_m2m" as const), oauthSecretName: some("absent") }
      assert.strictEqual((yield* refusal({ ...unrecorded, clientId: some("app-0") }))._tag, "IdentityRefused")
      const gone = yield* refusal({ ...unrecorded, clientId: some("app-0"), namespace: some("team-a") })
      assert.strictEqual(gone._tag, "CredentialsMissing")
    }).pipe(Effect.provide(connector(strict)))
  )
})

describe("where each namespace has to bring its own, a run that does not say whose it is", () => {
  const strict = { ...shared, ...own, settings: { namespaceIdentity: "require" } } as const

  it.effect("goes on with its namespace's PAT", () =>
    Effect.gen(function* () {
      const draft = {
        authType: some("pat" as const),
        namespace: some("team-a"),
        tokenSecretName: some("databricks-token")
      }
      assert.strictEqual(Redacted.value((yield* poll(draft)).authorization), "Bearer dapi-a")
    }).pipe(Effect.provide(connector(strict)))
  )

  it.effect("goes on with its namespace's client credentials", () =>
    Effect.gen(function* () {
      yield* poll({ ...ownRuns["oauth_m2m"], clientId: some("app-0") })
      const [request] = yield* TokenEndpoint.TokenEndpointMemory.use(({ requests }) => requests)
      assert.strictEqual(request?.clientId, "app-a")
      assert.strictEqual(request?.instance, instance)
    }).pipe(Effect.provide(connector(strict)))
  )
})

describe("FLYTE_DATABRICKS_NAMESPACES", () => {
  const served = { ...shared, ...own, settings: { namespaces: ["billing", "fraud-*"] } }

  it.effect("keeps out every other namespace: tasks, and runs that say they are of one", () =>
    Effect.gen(function* () {
      const { resolve } = yield* auth
      const { reason } = yield* Effect.flip(resolve({ namespace: "team-a" }))
      assert.strictEqual(reason._tag, "NamespaceNotServed")
      for (const authType of types) {
        const reason = yield* refusal(ownRuns[authType]!)
        assert(reason._tag === "IdentityRefused", reason.message)
        assert.strictEqual(reason.why, "namespace team-a is not among billing, fraud-*")
        assert.strictEqual(reason.setting, "FLYTE_DATABRICKS_NAMESPACES")
      }
      yield* nothingAsked
      for (const namespace of ["billing", "fraud-production", "fraud-"]) {
        const outcome = yield* Effect.exit(resolve({ namespace: namespace.replace(/-$/, "-x") }))
        assert.strictEqual(outcome._tag, "Success")
      }
    }).pipe(Effect.provide(connector(served)))
  )
})

describe("an identity that another package's mode made", () => {
  const made = (namespace: Option.Option<string>, settings: ConnectorSettings.Options) =>
    Effect.gen(function* () {
      const identity = new Identity.ExtensionIdentity({
        mode: "vault",
        authType: "oauth_m2m",
        instance: host,
        clientId: "app-v",
        namespace,
        source: "Vault",
        parameters: {}
      })
      return Policy.admitted(yield* settingsOf(settings), { identity })
    })

  it.effect("is its namespace's, where it has one, and the connector's otherwise", () =>
    Effect.gen(function* () {
      const strict = { instance, namespaceIdentity: "require" } as const
      assert.isTrue(Result.isSuccess(yield* made(some("team-a"), strict)))
      assert.isTrue(Result.isFailure(yield* made(Option.none(), strict)))
      const served = { instance, namespaces: ["billing"] }
      assert.isTrue(Result.isSuccess(yield* made(some("billing"), served)))
      assert.isTrue(Result.isSuccess(yield* made(Option.none(), served)))
      const reason = yield* Effect.flip(Effect.fromResult(yield* made(some("team-a"), served)))
      assert.include(reason.message, "app-v (Vault) is refused: namespace team-a is not among billing")
    })
  )
})

describe("the audience of a JWT", () => {
  it.effect("that a task asks for is the configured one, or one that the operator lists", () =>
    Effect.gen(function* () {
      const { resolve } = yield* auth
      const ask = (oidcAudience: string) => resolve({ namespace: "team-a", settings: { oidcAudience } })
      for (const allowed of ["databricks", "account-2"]) yield* ask(allowed)
      const { message } = yield* Effect.flip(ask("https://kubernetes.default.svc"))
      assert.include(message, "databricksOidcAudience of the task is")
      assert.include(message, "expected databricks or account-2; an operator lists more")
    }).pipe(Effect.provide(connector({ ...own, settings: { allowedAudiences: ["account-2"] } })))
  )

  it.effect("that a task asks for is the configured one where the operator lists none", () =>
    Effect.gen(function* () {
      const { resolve } = yield* auth
      const { message } = yield* Effect.flip(resolve({ namespace: "team-a", settings: { oidcAudience: "account-2" } }))
      assert.include(message, 'is "account-2", expected databricks; an operator lists more')
    }).pipe(Effect.provide(connector(own)))
  )
})

describe("a stored token", () => {
  it.effect("that a caller wrote goes to no instance but those on the allow-list", () =>
    Effect.gen(function* () {
      const run = { ...record({ authToken: some(Redacted.make("dapi-x")) }), instance: "attacker.example.com" }
      assert.strictEqual((yield* refusal(run))._tag, "InstanceRefused")
    }).pipe(Effect.provide(connector(shared)))
  )
})
