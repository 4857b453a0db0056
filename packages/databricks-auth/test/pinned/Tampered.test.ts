import { IdentityRecord } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { instance } from "../support/environment.ts"
import { jwtText } from "../support/jwt.ts"
import { defaultPath } from "../support/oidc.ts"
import { app, offers, on, poll, type World } from "./World.ts"

describe("metadata that was tampered with", () => {
  const world: World = {
    env: app,
    files: { [defaultPath]: jwtText(), "/etc/shadow": jwtText() },
    serviceAccounts: offers
  }
  const written = (changes: Partial<IdentityRecord.IdentityRecord>): IdentityRecord.IdentityRecord => ({
    ...IdentityRecord.empty(instance),
    authType: Option.some("oidc_federation"),
    clientId: Option.some("app-a"),
    oidcAudience: Option.some("databricks"),
    namespace: Option.some("team-a"),
    ...changes
  })

  it.effect.each(["/etc/shadow", "/etc/missing", "../etc/shadow", `${defaultPath}/../../../../../etc/shadow`, ""])(
    "reads no file that is not the operator's: %j",
    (file) =>
      Effect.gen(function* () {
        const { value: error, touched } = yield* on(
          world,
          Effect.flip(poll(written({ oidcTokenFile: Option.some(file) })))
        )
        assert.strictEqual(error.reason._tag, "CredentialsBroken")
        assert.include(error.message, "is refused")
        assert.deepStrictEqual(touched, [])
      })
  )

  it.effect.each(["../secrets/x", "a/b", "Spark", "spark?x=1", "", "s".repeat(254), "."])(
    "asks for a token of no ServiceAccount that cannot be: %j",
    (name) =>
      Effect.gen(function* () {
        const recorded = written({ oidcServiceAccount: Option.some(name) })
        const { value: error, calls } = yield* on(world, Effect.flip(poll(recorded)))
        assert.strictEqual(error.reason._tag, "SettingInvalid")
        assert.include(error.message, "oidc_service_account of the job metadata")
        assert.deepStrictEqual(calls, [])
      })
  )

  it.effect.each(["client id", "namespace"])("is refused without a %s: none is made up for a ServiceAccount", (what) =>
    Effect.gen(function* () {
      const without = what === "namespace" ? { namespace: Option.none() } : { clientId: Option.none() }
      const recorded = written({ oidcServiceAccount: Option.some("spark"), ...without })
      const { reason, message } = yield* Effect.flip(on(world, poll(recorded)))
      assert.strictEqual(reason._tag, "SettingInvalid")
      assert.include(message, 'The job metadata of a run as a ServiceAccount is "incomplete"')
      assert.include(message, "oidc_service_account, client_id and namespace")
    })
  )

  it.effect("is refused with an instance that is not on the list", () =>
    Effect.gen(function* () {
      const recorded = written({ instance: "evil.com", oidcServiceAccount: Option.some("spark") })
      const error = yield* Effect.flip(on(world, poll(recorded)))
      assert.strictEqual(error.reason._tag, "InstanceRefused")
    })
  )
})
