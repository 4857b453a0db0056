import { type AuthError, TaskSettings } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Result, Schema } from "effect"

const { customKeys, fromCustom } = TaskSettings

/** All but the name of a secret of Flyte. */
const ofCustom = Object.values(customKeys).filter((key) => key !== "databricks_token")

const settingOf = (error: AuthError.AuthError): string => {
  assert(error.reason._tag === "SettingInvalid", error.message)
  return error.reason.setting
}

const refusal = (custom: unknown) => Effect.flip(fromCustom(custom))

describe("the settings in a task's custom", () => {
  const custom = {
    databricksInstance: " https://TASK.cloud.databricks.com/ ",
    databricksWorkspaceId: " 123 ",
    databricksAuthType: " oauth_m2m ",
    databricksClientId: " app-1 ",
    databricksTokenSecret: " task-token ",
    databricksOauthSecret: "task-oauth\n",
    databricksOidcTokenFile: " /var/task/token ",
    databricksOidcAudience: " task-audience ",
    secrets: { databricks_token: " my-token ", other: 1 },
    databricksConf: { new_cluster: {} }
  }

  it.effect("are read by their keys and trimmed; what else is there is left alone", () =>
    Effect.gen(function* () {
      assertEquals<object>(yield* fromCustom(custom), {
        instance: "https://TASK.cloud.databricks.com/",
        workspaceId: "123",
        authType: "oauth_m2m",
        clientId: "app-1",
        tokenSecretName: "task-token",
        oauthSecretName: "task-oauth",
        oidcTokenFile: "/var/task/token",
        oidcAudience: "task-audience",
        connectionSecretName: "my-token"
      })
    })
  )

  it.effect.each([undefined, null, "", "  ", "\t\n"])("are unset where they are %j", (blank) =>
    Effect.gen(function* () {
      const blanks = Object.fromEntries(ofCustom.map((key) => [key, blank]))
      assertEquals<object>(yield* fromCustom({ ...blanks, secrets: { databricks_token: blank } }), {})
    })
  )

  it.effect.each([undefined, null, "text", 42, true, ["databricksAuthType", "pat"], Object.create(custom)])(
    "are none in %j",
    (noSettings) =>
      Effect.gen(function* () {
        assertEquals<object>(yield* fromCustom(noSettings), {})
      })
  )

  const cases = ofCustom.flatMap((key) => [1, true, false, {}, [], ["pat"]].map((value) => [key, value] as const))
  it.effect.each(cases)("are an error that names them where they are no text: %s of %j", ([key, value]) =>
    Effect.gen(function* () {
      const { message } = yield* refusal({ [key]: value })
      assert.strictEqual(message, `${key} of the task is "${typeof value}", expected text.`)
    })
  )

  it.effect.each(ofCustom)("are refused and not repeated where they are a secret: %s", (key) =>
    Effect.gen(function* () {
      for (const secret of ["dapi0123456789abcdef0123456789abcdef", "dose0123456789abcdef0123456789abcdef"]) {
        const error = yield* refusal({ [key]: secret })
        assert.notInclude(JSON.stringify(error) + error.message + error.stack, secret)
        assert.include(error.message, `${key} of the task`)
        assert.include(error.message, "expected a setting: secrets are for Kubernetes Secrets.")
      }
    })
  )

  it.effect("may begin as a secret does", () =>
    Effect.gen(function* () {
      for (const clientId of ["dapi0123", "dapi-team", "dose0123456789abcde", "eyJab", "eyJabcd-7"]) {
        assert.strictEqual((yield* fromCustom({ databricksClientId: clientId })).clientId, clientId)
      }
    })
  )

  it.effect.each([
    ["databricksClientId", 256],
    ["databricksOidcAudience", 256],
    ["databricksOidcTokenFile", 1000]
  ] as const)("have a greatest length, and one that is longer is not repeated: %s", ([key, limit]) =>
    Effect.gen(function* () {
      const longest = "x".repeat(limit)
      assert.include(Object.values(yield* fromCustom({ [key]: ` ${longest} ` })), longest)
      const { message } = yield* refusal({ [key]: `${longest}x` })
      assert.strictEqual(message, `${key} of the task is "${limit + 1} characters long", expected at most ${limit}.`)
    })
  )

  it.effect("take any name for a secret of Flyte, and a section of another kind for none", () =>
    Effect.gen(function* () {
      for (const name of ["dapi0123456789abcdef0123456789abcdef", "x".repeat(500)]) {
        const { connectionSecretName } = yield* fromCustom({ secrets: { databricks_token: name } })
        assert.strictEqual(connectionSecretName, name)
      }
      for (const secrets of [[], "databricks_token", 1, { databricks_token: 1 }, { databricks_token: ["my-token"] }]) {
        assertEquals<object>(yield* fromCustom({ secrets }), {})
      }
    })
  )

  const Value = Schema.Union([Schema.Json, Schema.String])
  const Custom = Schema.Struct(
    Object.fromEntries([...ofCustom, "secrets"].map((key) => [key, Schema.optionalKey(Value)]))
  )
  it.effect.prop("are settings once they are read, or an error that names one of them", [Custom], ([custom]) =>
    Effect.gen(function* () {
      const read = yield* Effect.result(fromCustom(custom))
      if (Result.isSuccess(read)) assertEquals(TaskSettings.make(read.success), read)
      else
        assert.include(
          ofCustom.map((key) => `${key} of the task`),
          settingOf(read.failure)
        )
    })
  )
})
