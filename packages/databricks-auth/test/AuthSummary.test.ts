import { AuthSummary, Kubernetes, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { configured, instance } from "./support/environment.ts"
import { jwtText } from "./support/jwt.ts"
import { defaultPath, makeTokenFiles } from "./support/oidc.ts"

/** What a connector with these variables and files says of itself. */
const summary = (
  env: Record<string, string> = {},
  files: Record<string, string> = {},
  kubernetes: Layer.Layer<Kubernetes.Kubernetes> = Kubernetes.layerMemory()
) =>
  Effect.gen(function* () {
    const disk = yield* makeTokenFiles(files)
    return yield* AuthSummary.AuthSummary.use(({ describe }) => describe).pipe(
      Effect.provide(
        AuthSummary.layer.pipe(
          Layer.provide(TokenEndpoint.layerMemory(() => Effect.die("a summary asks for no token"))),
          Layer.provide(configured(env)),
          Layer.provide([kubernetes, disk.layer])
        )
      )
    )
  })

describe("the summary of a connector", () => {
  it.effect("without settings says what there is not, and what is done where nothing is said", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* summary({}, {}, Kubernetes.layerNone), {
        instance: "none: each task names its own",
        allowedInstances:
          "*.cloud.databricks.com, *.cloud.databricks.us, *.azuredatabricks.net, *.databricks.azure.us, " +
          "*.databricks.azure.cn, *.gcp.databricks.com",
        authType: "auto-detect: oidc_federation, then oauth_m2m, then pat",
        connectorClientId: "none",
        connectorJwt: "none",
        connectorClientSecret: "none",
        connectorPat: "none",
        kubernetes: "not configured: namespaces have no Secrets",
        namespaceIdentity: "allow",
        taskAuthOverride: "allowed",
        patInJobMetadata: "written"
      })
    })
  )

  it.effect("with every setting repeats them, and of its credentials that they are there", () =>
    Effect.gen(function* () {
      const env = {
        FLYTE_DATABRICKS_INSTANCE: `https://${instance}/`,
        FLYTE_DATABRICKS_ALLOWED_INSTANCES: `${instance}, *.example.com`,
        FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m",
        FLYTE_DATABRICKS_CLIENT_ID: "app-0",
        FLYTE_DATABRICKS_CLIENT_SECRET: "s",
        FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0",
        FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/run/token",
        FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require",
        FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false",
        FLYTE_DATABRICKS_PERSIST_PAT: "false"
      }
      assert.deepStrictEqual(yield* summary(env, { "/run/token": jwtText() }), {
        instance,
        allowedInstances: `${instance}, *.example.com`,
        authType: "oauth_m2m",
        connectorClientId: "app-0",
        connectorJwt: "JWT file /run/token (named by FLYTE_DATABRICKS_OIDC_TOKEN_FILE)",
        connectorClientSecret: "set",
        connectorPat: "set",
        kubernetes: "in memory",
        namespaceIdentity: "require",
        taskAuthOverride: "refused",
        patInJobMetadata: "not written"
      })
    })
  )

  it.effect("says of a credential that it is broken, and how, before the first task meets it", () =>
    Effect.gen(function* () {
      const facts = yield* summary(
        { FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi\n0" },
        { [defaultPath]: "" }
      )
      assert.match(String(facts.connectorClientSecret), /^broken: The connector's client secret .* has no client id/)
      assert.match(String(facts.connectorPat), /^broken: The connector's PAT .* no header may carry/)
      assert.match(String(facts.connectorJwt), /^broken: JWT file \/var\/run\/secrets\/databricks\/token .* is empty/)
      assert.strictEqual(facts.connectorClientId, "none")
    })
  )

  it.effect("names the JWT file that AWS_WEB_IDENTITY_TOKEN_FILE does, where no other is named", () =>
    Effect.gen(function* () {
      const files = { "/run/aws": jwtText(), "/run/own": jwtText() }
      const aws = { AWS_WEB_IDENTITY_TOKEN_FILE: "/run/aws" }
      const { connectorJwt } = yield* summary(aws, files)
      assert.strictEqual(connectorJwt, "JWT file /run/aws (named by AWS_WEB_IDENTITY_TOKEN_FILE)")
      const own = yield* summary({ ...aws, FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/run/own" }, files)
      assert.strictEqual(own.connectorJwt, "JWT file /run/own (named by FLYTE_DATABRICKS_OIDC_TOKEN_FILE)")
    })
  )

  it.effect("counts a client id alone as half of a pair, unless there is a JWT to go with it", () =>
    Effect.gen(function* () {
      const env = { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }
      const alone = yield* summary(env)
      assert.match(
        String(alone.connectorClientSecret),
        /^broken: The connector's client id .* has neither a client secret/
      )
      assert.strictEqual(alone.connectorJwt, "none")

      const withJwt = yield* summary(env, { [defaultPath]: jwtText() })
      assert.strictEqual(withJwt.connectorClientSecret, "none")
      assert.strictEqual(withJwt.connectorJwt, `JWT file ${defaultPath} (the default path)`)

      const withBrokenJwt = yield* summary(env, { [defaultPath]: "not a JWT" })
      assert.match(String(withBrokenJwt.connectorClientSecret), /^broken: /)
      assert.match(String(withBrokenJwt.connectorJwt), /^broken: .* does not hold a JWT/)
    })
  )
})
