/** `explain` and `serve` decide alike: in any world, for any task. */
import { assert, describe, it } from "@effect/vitest"
import { DatabricksAuth, Identity, Jwt } from "@flyte-databricks/databricks-auth"
import { Catalogue, Explanation } from "@flyte-databricks/diagnosis"
import { Effect, Option, Result, Schema } from "effect"
import { FetchHttpClient } from "effect/http"

const Presence = Schema.Literals(["absent", "whole", "broken"])

const World = Schema.Struct({
  authType: Schema.Literals(["unset", "pat", "oauth_m2m", "oidc_federation"]),
  namespaceIdentity: Schema.Literals(["allow", "require", "ignore"]),
  allowTaskAuthOverride: Schema.Boolean,
  tokenSecret: Presence,
  oauthSecret: Presence,
  serviceAccounts: Schema.Literals([0, 1, 2]),
  unmarked: Schema.Boolean,
  connectorPat: Schema.Boolean,
  connectorClientId: Schema.Boolean,
  connectorSecret: Schema.Boolean,
  projectedJwt: Schema.Boolean
})

const Asked = Schema.Struct({
  namespace: Schema.Literals(["team-a", "team-b", ""]),
  instance: Schema.Literals(["unset", "dbc-a1b2.cloud.databricks.com", "evil.example.com"]),
  authType: Schema.Literals(["unset", "pat", "oauth_m2m", "oidc_federation", "saml"]),
  clientId: Schema.Literals(["unset", "sp-team", "sp-other"]),
  oauthSecretName: Schema.Literals(["unset", "databricks-oauth", "another"])
})

const jwt = Option.getOrThrow(Jwt.parse("eyJhbGciOiJSUzI1NiJ9.e30.x"))
const enabled = { "flyte.org/databricks-enabled": "true" }
const known = <A>(value: A | "unset") => (value === "unset" ? undefined : value)

const layerOf = (world: typeof World.Type) =>
  DatabricksAuth.layerMemory({
    settings: {
      instance: "dbc-a1b2.cloud.databricks.com",
      authType: known(world.authType),
      namespaceIdentity: world.namespaceIdentity,
      allowTaskAuthOverride: world.allowTaskAuthOverride
    },
    connector: {
      ...(world.connectorPat ? { FLYTE_DATABRICKS_ACCESS_TOKEN: "pat" } : {}),
      ...(world.connectorClientId ? { FLYTE_DATABRICKS_CLIENT_ID: "sp-connector" } : {}),
      ...(world.connectorSecret ? { FLYTE_DATABRICKS_CLIENT_SECRET: "secret" } : {})
    },
    files: world.projectedJwt ? { "/var/run/secrets/databricks/token": jwt } : {},
    secrets: {
      ...(world.tokenSecret === "absent"
        ? {}
        : { "team-a/databricks-token": world.tokenSecret === "whole" ? { token: "pat" } : {} }),
      ...(world.oauthSecret === "absent"
        ? {}
        : {
            "team-a/databricks-oauth": {
              client_id: "sp-team",
              ...(world.oauthSecret === "whole" ? { client_secret: "secret" } : {})
            }
          })
    },
    serviceAccounts: {
      ...Object.fromEntries(
        Array.from({ length: world.serviceAccounts }, (_, index) => [
          `team-a/spark-${index}`,
          { labels: enabled, annotations: { "flyte.org/databricks-client-id": "sp-team" } }
        ])
      ),
      ...(world.unmarked ? { "team-a/unmarked": { labels: enabled } } : {})
    }
  })

describe("explain", () => {
  it.effect.prop(
    "shows whom serve would take, or its error under its code, and every place that it looked at",
    [World, Asked],
    ([world, asked]) =>
      Effect.gen(function* () {
        const auth = yield* DatabricksAuth.DatabricksAuth
        const task = {
          instance: known(asked.instance),
          authType: known(asked.authType),
          clientId: known(asked.clientId),
          oauthSecretName: known(asked.oauthSecretName)
        }
        const context = { namespace: asked.namespace }
        const explained = yield* Explanation.explain(
          auth,
          { context, task, flags: {}, exchange: false },
          yield* Explanation.makeWays()
        )
        const served = yield* Effect.result(auth.resolve({ ...context, settings: task }))
        const [selection] = explained.checks
        if (Result.isSuccess(served)) {
          assert.deepStrictEqual(explained.identity, Identity.summarize(served.success.identity))
          assert.deepStrictEqual(explained.looked, served.success.explanation)
          assert.strictEqual(selection?.status, "ok")
        } else {
          assert.isNull(explained.identity)
          assert.deepStrictEqual([selection?.status, selection?.code], ["error", Catalogue.codeOf(served.failure)])
          const { reason } = served.failure
          if (reason._tag === "CredentialsMissing") assert.deepStrictEqual(explained.looked, reason.looked)
        }
      }).pipe(
        Effect.provide([layerOf(world), FetchHttpClient.layer]),
        // A connector that could serve nobody, whatever a task says, does not start.
        Effect.catchTag("AuthError", () => Effect.sync(() => assert.isFalse(world.allowTaskAuthOverride)))
      ),
    { arbitrary: { runs: 300 } }
  )
})
