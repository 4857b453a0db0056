/** Which of all modes a task gets, where more than one could serve it. */
import type { TaskSettings } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { jwtText } from "../support/jwt.ts"
import {
  attempt,
  defaultPath,
  explicit,
  inside,
  message,
  offered,
  outcome,
  resolve,
  who,
  type World
} from "../support/oidc.ts"

describe("auto-detect", () => {
  const files = { [defaultPath]: jwtText() }
  const pair = { FLYTE_DATABRICKS_CLIENT_ID: "app-1", FLYTE_DATABRICKS_CLIENT_SECRET: "s" }
  const pat = { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi" }
  const secrets = {
    "team-a/databricks-oauth": { client_id: "app-ns", client_secret: "s" },
    "team-a/databricks-token": { token: "dapi-ns" }
  }
  const everything = { ...pair, ...pat }
  const detected = (world: World, settings?: TaskSettings.TaskSettings) => Effect.map(attempt(world, settings), outcome)
  const inCluster = (
    serviceAccounts: NonNullable<World["serviceAccounts"]>,
    env: Record<string, string>,
    files: Record<string, string>,
    settings?: TaskSettings.TaskSettings
  ) => detected({ env, files, serviceAccounts, secrets }, settings)

  it.effect(
    "takes the strongest that is there: the namespace's ServiceAccount, the connector's JWT, a pair, a PAT",
    () =>
      Effect.gen(function* () {
        const offer = { "team-a/spark": offered("app-sa") }
        assert.strictEqual(yield* inCluster(offer, everything, files), "app-sa as team-a/spark for databricks")
        assert.strictEqual(yield* inCluster({}, everything, files), `app-1 by ${defaultPath} for databricks`)
        assert.strictEqual(yield* inCluster({}, everything, {}), "oauth_m2m app-ns")
        assert.strictEqual(yield* detected({ env: everything }), "oauth_m2m app-1")
        assert.strictEqual(yield* detected({ env: pat, files }), "pat owner of the PAT")
      })
  )

  it.effect("is overruled by what is set, weaker or not", () =>
    Effect.gen(function* () {
      const offer = { "team-a/spark": offered("app-sa") }
      for (const [value, expected] of [
        ["pat", "pat owner of the PAT"],
        ["oauth_m2m", "oauth_m2m app-ns"]
      ] as const) {
        assert.strictEqual(
          yield* inCluster(offer, { ...everything, FLYTE_DATABRICKS_AUTH_TYPE: value }, files),
          expected
        )
        assert.strictEqual(yield* inCluster(offer, everything, files, { authType: value }), expected)
      }
      const settings = { authType: "oidc_federation" }
      assert.strictEqual(
        yield* inCluster(offer, { ...everything, FLYTE_DATABRICKS_AUTH_TYPE: "pat" }, files, settings),
        "app-sa as team-a/spark for databricks"
      )
    })
  )

  it.effect("never takes the connector's JWT where namespaces have to bring their own", () =>
    Effect.gen(function* () {
      const required = { ...everything, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require" }
      assert.strictEqual(
        yield* inCluster({ "team-a/spark": offered("app-sa") }, required, files),
        "app-sa as team-a/spark for databricks"
      )
      assert.strictEqual(yield* inCluster({}, required, files), "oauth_m2m app-ns")
      const result = yield* attempt({ env: { ...required, ...explicit }, files })
      assert.strictEqual(outcome(result), "CredentialsMissing")
      assert.include(message(result), "FLYTE_DATABRICKS_NAMESPACE_IDENTITY is require")
    })
  )

  it.effect("takes no PAT for a client id that the task names: a PAT has none", () =>
    Effect.gen(function* () {
      const env = { ...pat, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require" }
      const pats = { "team-a/databricks-token": { token: "dapi-ns" } }
      assert.strictEqual(outcome(yield* attempt({ env, secrets: pats })), "pat owner of the PAT")
      const result = yield* attempt({ env, secrets: pats }, { clientId: "app-9" })
      assert.strictEqual(outcome(result), "CredentialsMissing")
      assert.include(
        message(result),
        "Secret databricks-token in namespace team-a: skipped (it has no client id, and databricksClientId of the task names one)"
      )
    })
  )

  it.effect("never looks into the cluster where namespaces are ignored", () =>
    Effect.gen(function* () {
      const offer = { "team-a/spark": offered("app-sa") }
      const ignored = { ...everything, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore" }
      for (const env of [ignored, { ...ignored, ...explicit }]) {
        yield* inside({ env, files, serviceAccounts: offer, secrets }, ({ calls }) =>
          Effect.gen(function* () {
            assert.strictEqual(who(yield* resolve()), `app-1 by ${defaultPath} for databricks`)
            assert.deepStrictEqual(yield* calls, [])
          })
        )
      }
    })
  )

  it.effect("of a request without a namespace is the connector's", () =>
    Effect.gen(function* () {
      const auth = yield* inside({ env: everything, files }, () => resolve({}, ""))
      assert.strictEqual(auth.identity.principal, "app-1")
      assert.include(JSON.stringify(auth.explanation), "the request has no namespace")
    })
  )
})
