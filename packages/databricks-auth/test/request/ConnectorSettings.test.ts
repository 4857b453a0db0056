import { ConnectorSettings, type AuthError } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Option } from "effect"
import { environment, settings } from "../support/environment.ts"

/** Why a connector with these variables does not start. */
const startError = (env: Record<string, string>) =>
  Effect.map(Effect.flip(settings(env)), (error) => {
    assert(error._tag === "AuthError", error.message)
    return error
  })

/** The setting that the error is about. */
const settingOf = (error: AuthError.AuthError): string => {
  assert(error.reason._tag === "SettingInvalid", error.message)
  return error.reason.setting
}

/** The settings without what only a call shows. */
const plainOf = ({
  allowedInstances: _,
  sharedInstances: __,
  namespaces: ___,
  ...plain
}: ConnectorSettings.ConnectorSettings["Service"]) => plain

describe("a connector without settings", () => {
  it.effect("starts with the defaults", () =>
    Effect.gen(function* () {
      const { allowedInstances, sharedInstances, namespaces, ...plain } = yield* settings({})
      assertEquals<object>(plain, {
        authType: Option.none(),
        instance: Option.none(),
        tokenSecretName: "databricks-token",
        oauthSecretName: "databricks-oauth",
        namespaceTemplate: "{namespace}",
        namespaceIdentity: "allow",
        allowTaskAuthOverride: true,
        persistPat: true,
        oidcTokenFile: Option.none(),
        awsTokenFile: Option.none(),
        oidcAudience: "databricks",
        allowedAudiences: [],
        taskTokenFileDirs: []
      })
      assert.include(allowedInstances.patterns, "*.cloud.databricks.com")
      assert.deepStrictEqual(sharedInstances.patterns, allowedInstances.patterns)
      assert.isTrue(namespaces.includes("any-namespace"))
    })
  )

  it.effect("is the same as one whose settings are all blank", () =>
    Effect.gen(function* () {
      const unset = plainOf(yield* settings({}))
      const names = [
        "AUTH_TYPE",
        "INSTANCE",
        "ALLOWED_INSTANCES",
        "TOKEN_SECRET_NAME",
        "OAUTH_SECRET_NAME",
        "NAMESPACE_TEMPLATE",
        "NAMESPACE_IDENTITY",
        "ALLOW_TASK_AUTH_OVERRIDE",
        "PERSIST_PAT",
        "OIDC_TOKEN_FILE",
        "OIDC_AUDIENCE",
        "NAMESPACES",
        "ALLOWED_AUDIENCES",
        "TASK_TOKEN_FILE_DIRS"
      ]
      for (const blank of ["", " ", "\t\n "]) {
        const env = Object.fromEntries(names.map((name) => [`FLYTE_DATABRICKS_${name}`, blank]))
        const plain = plainOf(yield* settings(env))
        assertEquals(plain, unset)
      }
    })
  )
})

describe("a setting of the environment", () => {
  it.effect("is read, and trimmed", () =>
    Effect.gen(function* () {
      const plain = plainOf(
        yield* settings({
          FLYTE_DATABRICKS_AUTH_TYPE: " oauth_m2m\n",
          FLYTE_DATABRICKS_INSTANCE: " https://DBC-A1B2.cloud.databricks.com/ ",
          FLYTE_DATABRICKS_TOKEN_SECRET_NAME: " team.token ",
          FLYTE_DATABRICKS_OAUTH_SECRET_NAME: " team-oauth ",
          FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: " {project}-{domain} ",
          FLYTE_DATABRICKS_NAMESPACE_IDENTITY: " require ",
          FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: " false ",
          FLYTE_DATABRICKS_PERSIST_PAT: " false ",
          FLYTE_DATABRICKS_OIDC_TOKEN_FILE: " /run/token ",
          AWS_WEB_IDENTITY_TOKEN_FILE: " /run/aws ",
          FLYTE_DATABRICKS_OIDC_AUDIENCE: " account-1 ",
          FLYTE_DATABRICKS_NAMESPACES: " team-*, billing ",
          FLYTE_DATABRICKS_ALLOWED_AUDIENCES: " account-2 ",
          FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: " /run/tokens ,, /mnt/tokens "
        })
      )
      assertEquals<object>(plain, {
        authType: Option.some("oauth_m2m"),
        instance: Option.some("dbc-a1b2.cloud.databricks.com"),
        tokenSecretName: "team.token",
        oauthSecretName: "team-oauth",
        namespaceTemplate: "{project}-{domain}",
        namespaceIdentity: "require",
        allowTaskAuthOverride: false,
        persistPat: false,
        oidcTokenFile: Option.some("/run/token"),
        awsTokenFile: Option.some("/run/aws"),
        oidcAudience: "account-1",
        allowedAudiences: ["account-2"],
        taskTokenFileDirs: ["/run/tokens", "/mnt/tokens"]
      })
    })
  )

  it.effect("is what the layer holds, and a wrong one stops the layer", () =>
    Effect.gen(function* () {
      const start = (env: Record<string, string>) =>
        ConnectorSettings.ConnectorSettings.use(({ authType }) => Effect.succeed(authType)).pipe(
          Effect.provide(ConnectorSettings.layerConfig),
          Effect.provide(environment(env))
        )
      assertEquals(yield* start({ FLYTE_DATABRICKS_AUTH_TYPE: "pat" }), Option.some("pat" as const))
      assert.include((yield* Effect.flip(start({ FLYTE_DATABRICKS_AUTH_TYPE: "token" }))).message, "AUTH_TYPE")
    })
  )
})

describe("FLYTE_DATABRICKS_AUTH_TYPE", () => {
  it.effect.each(["pat", "oauth_m2m", "oidc_federation"])("may be %s", (authType) =>
    Effect.gen(function* () {
      assertEquals<Option.Option<string>>(
        (yield* settings({ FLYTE_DATABRICKS_AUTH_TYPE: authType })).authType,
        Option.some(authType)
      )
    })
  )

  it.effect.each(["m2m", "PAT", "oauth-m2m", "auto", "none", "pat,oauth_m2m", "valueOf"])(
    "of %s is an error that lists the three valid ones",
    (authType) =>
      Effect.gen(function* () {
        const error = yield* startError({ FLYTE_DATABRICKS_AUTH_TYPE: authType })
        assert.strictEqual(settingOf(error), "FLYTE_DATABRICKS_AUTH_TYPE")
        assert.include(error.message, `"${authType}"`)
        for (const valid of ["pat", "oauth_m2m", "oidc_federation"]) assert.include(error.message, valid)
        assert.isFalse(error.retryable)
      })
  )
})

describe("FLYTE_DATABRICKS_NAMESPACES", () => {
  it.effect.each(["Team", "team_a", "team-a,-b", "*_x", "team-a.b"])(
    "of %j is an error that shows the wrong one",
    (value) =>
      Effect.gen(function* () {
        const error = yield* startError({ FLYTE_DATABRICKS_NAMESPACES: value })
        assert.strictEqual(settingOf(error), "FLYTE_DATABRICKS_NAMESPACES")
        const wrong = value.split(",").at(-1)
        assert.include(
          error.message,
          `is "${wrong}", expected namespaces, * for any part of a name, separated by commas`
        )
      })
  )
  it.effect("that lists none is an error, since nobody would be served", () =>
    Effect.gen(function* () {
      const error = yield* startError({ FLYTE_DATABRICKS_NAMESPACES: "," })
      assert.include(error.message, 'FLYTE_DATABRICKS_NAMESPACES is "", expected namespaces')
    })
  )
})

describe("FLYTE_DATABRICKS_NAMESPACE_IDENTITY", () => {
  it.effect.each(["allow", "require", "ignore"])("may be %s", (value) =>
    Effect.gen(function* () {
      assert.strictEqual<string>(
        (yield* settings({ FLYTE_DATABRICKS_NAMESPACE_IDENTITY: value })).namespaceIdentity,
        value
      )
    })
  )
  it.effect.each(["deny", "true", "required"])("of %s is an error that lists the valid words", (value) =>
    Effect.gen(function* () {
      const error = yield* startError({ FLYTE_DATABRICKS_NAMESPACE_IDENTITY: value })
      assert.strictEqual(settingOf(error), "FLYTE_DATABRICKS_NAMESPACE_IDENTITY")
      assert.include(error.message, "allow, require or ignore")
    })
  )
})

describe.each([
  ["FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE", "allowTaskAuthOverride"],
  ["FLYTE_DATABRICKS_PERSIST_PAT", "persistPat"]
] as const)("the switch %s", (variable, key) => {
  it.effect.each(["true", "True", "TRUE", "1", "yes", "on", " on "])("is on by the word %j", (word) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* settings({ [variable]: word }))[key], true)
    })
  )
  it.effect.each(["false", "False", "FALSE", "0", "no", "off", "OFF"])("is off by the word %j", (word) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* settings({ [variable]: word }))[key], false)
    })
  )
  it.effect.each(["flase", "disabled", "2", "-1", "null", "f"])(
    "is neither by %j: an error, since a slip must not open a door",
    (word) =>
      Effect.gen(function* () {
        const error = yield* startError({ [variable]: word })
        assert.strictEqual(settingOf(error), variable)
        assert.include(error.message, "true or false")
      })
  )
})

describe.each(["FLYTE_DATABRICKS_TOKEN_SECRET_NAME", "FLYTE_DATABRICKS_OAUTH_SECRET_NAME"])("%s", (variable) => {
  it.effect.each([
    "../kube-system/secrets/admin",
    "..",
    "a/b",
    "a%2fb",
    "a?x=1",
    "a#b",
    "Team-Token",
    "a_b",
    "-a",
    "a-",
    "a..b",
    ".a",
    "a b",
    "a\nb",
    "ä",
    "x".repeat(254)
  ])("of %j, which is no Secret's name, stops the connector", (name) =>
    Effect.gen(function* () {
      const error = yield* startError({ [variable]: name })
      assert.strictEqual(settingOf(error), variable)
      assert.include(error.message, "name of a Kubernetes Secret")
      assert.notInclude(error.message, "\n")
    })
  )
})

describe("FLYTE_DATABRICKS_NAMESPACE_TEMPLATE", () => {
  it.effect.each([
    "{namespace}",
    "{project}-{domain}",
    "{org}-{project}-{domain}",
    "team-{project}",
    "shared",
    "{project}-for-{domain}"
  ])("may be %s", (template) =>
    Effect.gen(function* () {
      assert.strictEqual(
        (yield* settings({ FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: template })).namespaceTemplate,
        template
      )
    })
  )
  it.effect.each([
    "{project}{domain}",
    "{project}x{domain}",
    "{project}-x{domain}",
    "{project}x-{domain}",
    "{org}-{project}x{domain}"
  ])("may not be %s, whose parts nobody can tell apart", (template) =>
    Effect.gen(function* () {
      const { message } = yield* startError({ FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: template })
      assert.include(message, "expected a hyphen after each part and before the next")
    })
  )

  it.effect.each([
    "{workspace}",
    "{Namespace}",
    "{ project }",
    "{project}-{}",
    "{__proto__}",
    "{constructor}",
    "{namespace}{namespace.x}"
  ])(
    "of %s has a placeholder that nobody fills: the connector does not start, and the error lists the four there are",
    (template) =>
      Effect.gen(function* () {
        const error = yield* startError({ FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: template })
        assert.strictEqual(settingOf(error), "FLYTE_DATABRICKS_NAMESPACE_TEMPLATE")
        for (const known of ["{namespace}", "{project}", "{domain}", "{org}"]) assert.include(error.message, known)
      })
  )
  it.effect.each([
    "{project}_{domain}",
    "Team-{project}",
    "{project",
    "project}",
    "${namespace}",
    "-{project}",
    "{project}/{domain}",
    "{project}.x",
    `${"x".repeat(63)}{project}`
  ])("of %s makes no namespace of anything: the connector does not start", (template) =>
    Effect.gen(function* () {
      assert.strictEqual(
        settingOf(yield* startError({ FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: template })),
        "FLYTE_DATABRICKS_NAMESPACE_TEMPLATE"
      )
    })
  )
})

describe("FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS", () => {
  it.effect.each(["tokens", "../tokens", "/run/tokens,../etc", "~/tokens"])(
    "of %s depends on where the connector was started, and stops it",
    (directories) =>
      Effect.gen(function* () {
        assert.strictEqual(
          settingOf(yield* startError({ FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: directories })),
          "FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS"
        )
        const { message } = yield* startError({ FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: directories })
        assert.include(message, "expected absolute directories, separated by commas.")
      })
  )
})

describe("the id of a workspace", () => {
  it.effect.each([
    [{}, "FLYTE_DATABRICKS_WORKSPACE_ID", ""],
    [{ FLYTE_DATABRICKS_WORKSPACE_ID: "1" }, "FLYTE_DATABRICKS_WORKSPACE_ID", "1"],
    [{ DATABRICKS_WORKSPACE_ID: "2" }, "DATABRICKS_WORKSPACE_ID", "2"],
    [{ FLYTE_DATABRICKS_WORKSPACE_ID: "1", DATABRICKS_WORKSPACE_ID: "2" }, "FLYTE_DATABRICKS_WORKSPACE_ID", "1"]
  ] as const)("of %j is shown under the variable that counts: %s", ([env, variable, value]) =>
    Effect.gen(function* () {
      const described = yield* ConnectorSettings.describeConfig.pipe(Effect.provide(environment(env)))
      const { isSet, ...id } = described.find(({ option }) => option === "workspaceId") ?? assert.fail()
      assert.deepStrictEqual(id, { option: "workspaceId", variable, value })
      assert.strictEqual(isSet, value !== "")
    })
  )
})

describe("a secret in the wrong variable", () => {
  const secrets = [
    "dapi0123456789abcdef0123456789abcdef",
    "dapi0123456789abcdef0123456789abcdef-2",
    "dose0123456789abcdef0123456789abcdef",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl",
    "Bearer dapi0123456789abcdef0123456789abcdef"
  ]
  const variables = [
    "FLYTE_DATABRICKS_AUTH_TYPE",
    "FLYTE_DATABRICKS_INSTANCE",
    "FLYTE_DATABRICKS_ALLOWED_INSTANCES",
    "FLYTE_DATABRICKS_TOKEN_SECRET_NAME",
    "FLYTE_DATABRICKS_OAUTH_SECRET_NAME",
    "FLYTE_DATABRICKS_NAMESPACE_TEMPLATE",
    "FLYTE_DATABRICKS_NAMESPACE_IDENTITY",
    "FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE",
    "FLYTE_DATABRICKS_PERSIST_PAT"
  ]
  it.effect.each(variables)("stops the connector and is not repeated: %s", (variable) =>
    Effect.gen(function* () {
      for (const secret of secrets) {
        const error = yield* startError({ [variable]: secret })
        const said = JSON.stringify(error) + error.message + error.stack
        for (const part of secret.split(/[ .]/).filter((part) => part.length > 10)) assert.notInclude(said, part)
        assert.include(error.message, "looks like a secret")
      }
    })
  )
})
