import { ConnectorSettings } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect } from "effect"
import { settings } from "../support/environment.ts"

describe("a connector's settings as values", () => {
  const values = (options?: ConnectorSettings.Options) =>
    Effect.provide(ConnectorSettings.ConnectorSettings, ConnectorSettings.layer(options))
  const plain = ({
    allowedInstances,
    sharedInstances,
    namespaces,
    ...rest
  }: ConnectorSettings.ConnectorSettings["Service"]) => ({
    ...rest,
    allowedInstances: allowedInstances.patterns,
    sharedInstances: sharedInstances.patterns,
    namespaces: namespaces.patterns
  })

  it.effect("have the defaults of the environment, also where they are blank", () =>
    Effect.gen(function* () {
      const ofEnvironment = plain(yield* settings({}))
      assertEquals(plain(yield* values()), ofEnvironment)
      const blank = {
        instance: " ",
        allowedInstances: undefined,
        tokenSecretName: "",
        namespaceTemplate: "\n",
        oidcTokenFile: " ",
        taskTokenFileDirs: [" "]
      }
      assertEquals(plain(yield* values(blank)), ofEnvironment)
    })
  )

  it.effect("are what a connector with the same variables has", () =>
    Effect.gen(function* () {
      const given = yield* values({
        authType: "oauth_m2m",
        instance: "https://A.example.com/",
        allowedInstances: ["a.example.com", " *.example.org "],
        tokenSecretName: "team-token",
        oauthSecretName: "team-oauth",
        namespaceTemplate: "{project}-{domain}",
        namespaceIdentity: "require",
        allowTaskAuthOverride: false,
        persistPat: false,
        oidcTokenFile: "/run/token",
        awsTokenFile: "/run/aws",
        oidcAudience: "account-1",
        taskTokenFileDirs: ["/run/tokens", "/mnt/a,b"]
      })
      const { taskTokenFileDirs, ...same } = plain(given)
      const read = yield* settings({
        FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m",
        FLYTE_DATABRICKS_INSTANCE: "a.example.com",
        FLYTE_DATABRICKS_ALLOWED_INSTANCES: "a.example.com,*.example.org",
        FLYTE_DATABRICKS_TOKEN_SECRET_NAME: "team-token",
        FLYTE_DATABRICKS_OAUTH_SECRET_NAME: "team-oauth",
        FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}",
        FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require",
        FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false",
        FLYTE_DATABRICKS_PERSIST_PAT: "false",
        FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/run/token",
        AWS_WEB_IDENTITY_TOKEN_FILE: "/run/aws",
        FLYTE_DATABRICKS_OIDC_AUDIENCE: "account-1"
      })
      assertEquals<object>({ ...same, taskTokenFileDirs: [] }, plain(read))
      assertEquals(taskTokenFileDirs, ["/run/tokens", "/mnt/a,b"])
    })
  )

  it.effect("pass the same fence: an instance that is on no list is refused", () =>
    Effect.gen(function* () {
      for (const [instance, allowedInstances] of [
        ["a.example.com", ["b.example.com"]],
        ["http://a.cloud.databricks.com", undefined]
      ] as const) {
        const { reason } = yield* Effect.flip(values({ instance, allowedInstances }))
        assert.strictEqual(reason._tag, "InstanceRefused")
      }
    })
  )

  it.effect.each([
    ["authType", "m2m"],
    ["allowedInstances", []],
    ["tokenSecretName", "a/b"],
    ["oauthSecretName", "A"],
    ["namespaceTemplate", "{workspace}"],
    ["namespaceIdentity", "deny"],
    ["allowTaskAuthOverride", "maybe"],
    ["persistPat", "maybe"],
    ["taskTokenFileDirs", ["tokens"]]
  ] as const)("are named by their option where they are wrong: %s", ([option, value]) =>
    Effect.gen(function* () {
      // As a program without types may give it.
      const error = yield* Effect.flip(values({ [option]: value } as ConnectorSettings.Options))
      assert(error.reason._tag === "SettingInvalid", error.message)
      assert.strictEqual(error.reason.setting, option)
    })
  )

  it.effect("are named also where the instance is none, as its variable is", () =>
    Effect.gen(function* () {
      const ofValues = yield* Effect.flip(values({ instance: "a b" }))
      assert.include(ofValues.message, "it is not a host name; expected in instance: a host name such as")
      const ofEnvironment = yield* Effect.flip(settings({ FLYTE_DATABRICKS_INSTANCE: "a b" }))
      assert.include(ofEnvironment.message, "expected in FLYTE_DATABRICKS_INSTANCE: a host name such as")
    })
  )

  it.effect("are named also where a pattern among them is wrong", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(values({ allowedInstances: ["*.10.0.0.1"] }))
      assert.include(message, "expected in allowedInstances: host names")
    })
  )
})
