import { IdentityRecord } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { instance } from "../support/environment.ts"
import { connector, jwtText, makeCluster, makeTokenFiles } from "../support/oidc.ts"
import { app, defaultPath, offers, poll, type World } from "./World.ts"

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
