/** What can be told of an identity before it is used: how it is decided on, and what its JWT says. */
import { assert, describe, it } from "@effect/vitest"
import { ConnectorSettings, DatabricksAuth, Identity, Kubernetes } from "@flyte-databricks/databricks-auth"
import { ConfigProvider, Effect, Option, Result } from "effect"
import { jwt, signature } from "./support/jwt.ts"

const instance = "dbc-a1b2.cloud.databricks.com"
const enabled = { labels: { "flyte.org/databricks-enabled": "true" } }

const memory = (more: DatabricksAuth.Memory = {}) =>
  DatabricksAuth.layerMemory({
    settings: { instance },
    connector: { FLYTE_DATABRICKS_ACCESS_TOKEN: "pat" },
    secrets: { "team-broken/databricks-oauth": { client_id: "sp" } },
    serviceAccounts: {
      "team-oidc/databricks": { ...enabled, annotations: { "flyte.org/databricks-client-id": "sp" } }
    },
    ...more
  })

describe("explain", () => {
  it.effect("tells what resolve does, and what was looked at before it failed", () =>
    Effect.gen(function* () {
      const auth = yield* DatabricksAuth.DatabricksAuth
      const found = yield* auth.explain({ namespace: "team-none" })
      const resolved = yield* auth.resolve({ namespace: "team-none" })
      assert.deepStrictEqual(Result.getOrThrow(found.outcome), resolved)
      assert.deepStrictEqual(found.looked, resolved.explanation)

      const broken = yield* auth.explain({ namespace: "team-broken" })
      assert.deepStrictEqual(
        broken.looked.map(({ outcome }) => outcome),
        ["absent", "absent", "failed"]
      )
      assert.include(broken.looked.at(-1)?.detail, "lacks key client_secret")
      assert.deepStrictEqual(
        Result.getFailure(broken.outcome),
        Option.some(yield* Effect.flip(auth.resolve({ namespace: "team-broken" })))
      )
      assert.isTrue(Option.isSome(broken.request))
    }).pipe(Effect.provide(memory()))
  )

  it.effect("has no request where a setting is refused, and looks nowhere", () =>
    Effect.gen(function* () {
      const auth = yield* DatabricksAuth.DatabricksAuth
      const refused = yield* auth.explain({ namespace: "team-oidc", settings: { instance: "evil.example.com" } })
      assert.deepStrictEqual([refused.request, refused.looked], [Option.none(), []])
      assert.isTrue(Result.isFailure(refused.outcome))
      assert.deepStrictEqual(yield* (yield* Kubernetes.KubernetesMemory).reads, [])
    }).pipe(Effect.provide(memory()))
  )
})

describe("subject", () => {
  it.effect("says what the JWT of each model says, and has none of a PAT", () =>
    Effect.gen(function* () {
      const auth = yield* DatabricksAuth.DatabricksAuth
      const describe = (namespace: string) => Effect.flatMap(auth.resolve({ namespace }), auth.subject)
      const minted = Option.getOrThrow(yield* describe("team-oidc"))
      assert.strictEqual(minted.claims.sub, "system:serviceaccount:team-oidc:databricks")
      assert.deepStrictEqual(minted.header, { alg: "RS256" })
      assert.notInclude(JSON.stringify(minted), "unsigned")
      assert.deepStrictEqual(yield* describe("team-none"), Option.none())
    }).pipe(Effect.provide(memory()))
  )

  it.effect("reads the file of Model 1, and never shows its signature", () =>
    Effect.gen(function* () {
      const auth = yield* DatabricksAuth.DatabricksAuth
      const described = Option.getOrThrow(yield* Effect.flatMap(auth.resolve({}), auth.subject))
      assert.strictEqual(described.claims.iss, "https://oidc.eks.eu-west-1.amazonaws.com/id/AB12")
      assert.notInclude(JSON.stringify(described), signature)
    }).pipe(
      Effect.provide(
        memory({
          connector: { FLYTE_DATABRICKS_CLIENT_ID: "sp" },
          files: { "/var/run/secrets/databricks/token": jwt() }
        })
      )
    )
  )

  it.effect("is held against today's policy, as a header is", () =>
    Effect.gen(function* () {
      const auth = yield* DatabricksAuth.DatabricksAuth
      const { identity } = yield* auth.resolve({ namespace: "team-oidc" })
      assert(identity._tag === "oidc_namespace")
      const elsewhere = new Identity.OidcNamespaceIdentity({ ...identity, namespace: "other" })
      const refused = yield* Effect.flip(auth.subject({ identity: elsewhere }))
      assert.strictEqual(refused.reason._tag, "IdentityRefused")
    }).pipe(Effect.provide(memory({ settings: { instance, namespaces: ["team-*"] } })))
  )
})

describe("describeConfig", () => {
  it.effect("has each setting with its value and whether it is set, and no secret in a wrong place", () =>
    Effect.gen(function* () {
      const described = yield* ConnectorSettings.describeConfig
      const of = (variable: string) => {
        const { value, isSet } = described.find((setting) => setting.variable === variable) ?? assert.fail(variable)
        return [value, isSet]
      }
      assert.deepStrictEqual(of("FLYTE_DATABRICKS_INSTANCE"), [instance, true])
      assert.deepStrictEqual(of("FLYTE_DATABRICKS_AUTH_TYPE"), ["", false])
      assert.deepStrictEqual(of("FLYTE_DATABRICKS_NAMESPACE_IDENTITY"), ["allow", false])
      assert.deepStrictEqual(of("FLYTE_DATABRICKS_OIDC_AUDIENCE"), ["(looks like a secret, not shown)", true])
      assert.include(String(of("FLYTE_DATABRICKS_ALLOWED_INSTANCES")[0]), `${instance},*.cloud.databricks.com`)
    }).pipe(
      Effect.provide(
        ConfigProvider.layer(
          ConfigProvider.fromEnv({
            env: {
              FLYTE_DATABRICKS_INSTANCE: ` ${instance} `,
              FLYTE_DATABRICKS_AUTH_TYPE: " ",
              FLYTE_DATABRICKS_OIDC_AUDIENCE: "dapi0123456789abcdef0123456789abcdef"
            }
          })
        )
      )
    )
  )
})
