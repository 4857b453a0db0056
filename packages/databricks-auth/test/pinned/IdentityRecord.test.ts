import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Option } from "effect"
import { instance } from "../support/environment.ts"
import { jwtText } from "../support/jwt.ts"
import { defaultPath, explicit } from "../support/oidc.ts"
import { assertNoSecret, shownAs } from "../support/secrecy.ts"
import { app, fields, offers, on, poll, submitted, type World } from "./World.ts"

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
      const { recorded } = yield* submitted({ env: app, files: { [defaultPath]: jwtText() } })
      assert.deepStrictEqual(fields(recorded), {
        instance,
        authType: "oidc_federation",
        clientId: "app-0",
        oidcTokenFile: defaultPath,
        oidcAudience: "databricks",
        namespace: "team-a"
      })
    })
  )

  it.effect("of either has no token and no JWT in it", () =>
    Effect.gen(function* () {
      for (const world of [{ serviceAccounts: offers }, { env: app, files: { [defaultPath]: jwtText() } }]) {
        const { recorded } = yield* submitted(world)
        assertEquals(recorded.authToken, Option.none())
        assertNoSecret("what is recorded", ...shownAs(recorded))
      }
    })
  )

  it.effect("of a PAT in Flyte 1 is the namespace's token alone, of the connector's nothing", () =>
    Effect.gen(function* () {
      const ofNamespace = yield* submitted({ secrets: { "team-a/databricks-token": { token: "dapi-a" } } })
      assert.deepStrictEqual(Object.keys(fields(ofNamespace.recorded)), ["instance", "authToken"])
      const ofConnector = yield* submitted({ env: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" } })
      assert.deepStrictEqual(fields(ofConnector.recorded), { instance })
    })
  )

  const secrets = {
    "team-a/databricks-oauth": { client_id: "app-m", client_secret: "s" },
    "team-a/databricks-token": { token: "dapi-a" }
  }
  const shared = { ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }
  const unwritten = { FLYTE_DATABRICKS_AUTH_TYPE: "pat", FLYTE_DATABRICKS_PERSIST_PAT: "false" }
  const worlds: ReadonlyArray<readonly [string, World]> = [
    ["PAT of the namespace", { secrets, env: unwritten }],
    ["PAT of the connector", { env: { FLYTE_DATABRICKS_AUTH_TYPE: "pat", ...shared } }],
    ["OAuth M2M of the namespace", { secrets, env: { FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m" } }],
    ["OAuth M2M of the connector", { env: { FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m", ...shared } }],
    ["OIDC Model 1", { env: { ...explicit, ...shared }, files: { [defaultPath]: jwtText() } }],
    ["OIDC Model 2", { env: { ...explicit, ...shared }, serviceAccounts: offers }]
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
