import { AuthRequest, type AuthError } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Option } from "effect"
import { instance, settings } from "../support/environment.ts"

const connector = { FLYTE_DATABRICKS_INSTANCE: instance }

/** What selection works on, for a task at a connector with these variables. */
const request = (task: AuthRequest.TaskContext, env: Record<string, string> = connector) =>
  Effect.flatMap(settings(env), (resolved) => AuthRequest.make(resolved, task))

/** Why there is no request; only errors of the submit count. */
const refusal = Effect.fnUntraced(function* (task: AuthRequest.TaskContext, env: Record<string, string> = connector) {
  const resolved = yield* settings(env)
  return yield* Effect.flip(AuthRequest.make(resolved, task))
})

const keys = [
  "databricksInstance",
  "databricksAuthType",
  "databricksClientId",
  "databricksTokenSecret",
  "databricksOauthSecret",
  "databricksOidcTokenFile",
  "databricksOidcAudience"
]

const settingOf = (error: AuthError.AuthError): string => {
  assert(error.reason._tag === "SettingInvalid", error.message)
  return error.reason.setting
}

describe("each setting comes from the task, else from the environment, else it has its default", () => {
  const env = {
    FLYTE_DATABRICKS_INSTANCE: "env.cloud.databricks.com",
    FLYTE_DATABRICKS_AUTH_TYPE: "pat",
    FLYTE_DATABRICKS_TOKEN_SECRET_NAME: "env-token",
    FLYTE_DATABRICKS_OAUTH_SECRET_NAME: "env-oauth",
    FLYTE_DATABRICKS_OIDC_AUDIENCE: "env-audience"
  }
  const custom = {
    databricksInstance: " https://TASK.cloud.databricks.com/ ",
    databricksAuthType: " oauth_m2m ",
    databricksClientId: " app-1 ",
    databricksTokenSecret: " task-token ",
    databricksOauthSecret: "task-oauth\n",
    databricksOidcTokenFile: " /var/task/token ",
    databricksOidcAudience: " task-audience "
  }
  const ofEnvironment = {
    instance: "env.cloud.databricks.com",
    namespace: Option.some("team-a"),
    authType: Option.some({ value: "pat", from: "FLYTE_DATABRICKS_AUTH_TYPE" }),
    clientId: Option.none(),
    tokenSecretName: "env-token",
    oauthSecretName: "env-oauth",
    tokenFile: Option.none(),
    audience: "env-audience",
    namespaceIdentity: "allow"
  }

  it.effect("the task's, trimmed", () =>
    Effect.gen(function* () {
      assertEquals<object>(yield* request({ namespace: "team-a", custom }, env), {
        instance: "task.cloud.databricks.com",
        namespace: Option.some("team-a"),
        authType: Option.some({ value: "oauth_m2m", from: "databricksAuthType of the task" }),
        clientId: Option.some("app-1"),
        tokenSecretName: "task-token",
        oauthSecretName: "task-oauth",
        tokenFile: Option.some("/var/task/token"),
        audience: "task-audience",
        namespaceIdentity: "allow"
      })
    })
  )

  it.effect("the environment's", () =>
    Effect.gen(function* () {
      assertEquals<object>(yield* request({ namespace: "team-a" }, env), ofEnvironment)
    })
  )

  it.effect("the default", () =>
    Effect.gen(function* () {
      assertEquals<object>(yield* request({ namespace: "team-a" }), {
        instance,
        namespace: Option.some("team-a"),
        authType: Option.none(),
        clientId: Option.none(),
        tokenSecretName: "databricks-token",
        oauthSecretName: "databricks-oauth",
        tokenFile: Option.none(),
        audience: "databricks",
        namespaceIdentity: "allow"
      })
    })
  )

  it.effect.each([undefined, null, "", "  ", "\t\n"])("and %j in the task counts as unset", (blank) =>
    Effect.gen(function* () {
      const unset = Object.fromEntries(Object.keys(custom).map((key) => [key, blank]))
      assertEquals<object>(yield* request({ namespace: "team-a", custom: unset }, env), ofEnvironment)
    })
  )

  it.effect.each([undefined, null, "text", 42, true, ["databricksAuthType", "pat"], Object.create(custom)])(
    "and a custom that is %j holds no settings",
    (noSettings) =>
      Effect.gen(function* () {
        assertEquals<object>(yield* request({ namespace: "team-a", custom: noSettings }, env), ofEnvironment)
      })
  )
})

describe("a task's setting of the wrong type", () => {
  const cases = keys.flatMap((key) => [1, true, false, {}, [], ["pat"]].map((value) => [key, value] as const))
  it.effect.each(cases)("is an error that names it: %s of %j", ([key, value]) =>
    Effect.gen(function* () {
      const error = yield* refusal({ custom: { [key]: value } })
      assert.strictEqual(settingOf(error), `${key} of the task`)
      assert.include(error.message, "expected text")
    })
  )
})

describe("the instance", () => {
  it.effect("that nobody names is an error that says both ways to name it", () =>
    Effect.gen(function* () {
      const error = yield* refusal({ namespace: "team-a" }, {})
      assert.strictEqual(error.reason._tag, "InstanceMissing")
      assert.include(error.message, "databricks_instance")
      assert.include(error.message, "FLYTE_DATABRICKS_INSTANCE")
    })
  )
  it.effect("that a task names passes the same fence as the operator's", () =>
    Effect.gen(function* () {
      const error = yield* refusal({ custom: { databricksInstance: "evil.com" } })
      assert.strictEqual(error.reason._tag, "InstanceRefused")
    })
  )
  it.effect("on the list is a task's choice also where it may not choose how to authenticate", () =>
    Effect.gen(function* () {
      const env = { ...connector, FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false" }
      const { instance } = yield* request({ custom: { databricksInstance: "other.cloud.databricks.com" } }, env)
      assert.strictEqual<string>(instance, "other.cloud.databricks.com")
    })
  )
})

describe("an auth type that a task names", () => {
  it.effect.each(["token", "OAUTH_M2M", "auto"])(
    "and that does not exist is an error with the three that do: %s",
    (authType) =>
      Effect.gen(function* () {
        const error = yield* refusal({ custom: { databricksAuthType: authType } })
        assert.strictEqual(settingOf(error), "databricksAuthType of the task")
        for (const valid of ["pat", "oauth_m2m", "oidc_federation"]) assert.include(error.message, valid)
      })
  )
})

describe.each(["databricksTokenSecret", "databricksOauthSecret"])("a name in %s", (key) => {
  it.effect.each([
    "../../kube-system/secrets/x",
    "..",
    "a/b",
    "a\\b",
    "a%2f..",
    "a?b",
    "a#b",
    "a;b",
    "A",
    "a_b",
    "a\u0000b",
    "a\r\nb",
    "x".repeat(254)
  ])("that could lead out of its place in a path is refused: %j", (name) =>
    Effect.gen(function* () {
      const error = yield* refusal({ namespace: "team-a", custom: { [key]: name } })
      assert.strictEqual(settingOf(error), `${key} of the task`)
      assert.include(error.message, "expected the name of a Kubernetes Secret.")
      assert.notMatch(error.message, /[\x00-\x1f]/)
    })
  )
  it.effect("may have dots and 253 characters", () =>
    Effect.gen(function* () {
      for (const name of ["a", "0", "a.b.c", "team.databricks-token.v2", "x".repeat(253)]) {
        const resolved = yield* request({ custom: { [key]: name } })
        assert.include([resolved.tokenSecretName, resolved.oauthSecretName], name)
      }
    })
  )
})

describe("a secret that a task puts in the place of a setting", () => {
  it.effect.each(keys)("is refused and not repeated: %s", (key) =>
    Effect.gen(function* () {
      for (const secret of ["dapi0123456789abcdef0123456789abcdef", "dose0123456789abcdef0123456789abcdef"]) {
        const error = yield* refusal({ namespace: "team-a", custom: { [key]: secret } })
        assert.notInclude(JSON.stringify(error) + error.message + error.stack, secret)
        assert.include(error.message, `${key} of the task`)
        assert.include(error.message, "expected a setting: secrets are for Kubernetes Secrets.")
      }
    })
  )
})

describe("a setting of a task", () => {
  const bounded = keys.filter((key) => key !== "databricksInstance")
  it.effect.each(bounded)("has 500 characters at most, a path more: %s", (key) =>
    Effect.gen(function* () {
      const limit = key === "databricksOidcTokenFile" ? 4096 : 500
      const error = yield* refusal({ custom: { [key]: "x".repeat(limit + 1) } })
      assert.strictEqual(settingOf(error), `${key} of the task`)
      assert.include(error.message, `is "${limit + 1} characters", expected at most ${limit}`)
    })
  )

  it.effect("may begin as a secret does", () =>
    Effect.gen(function* () {
      for (const clientId of ["dapi0123", "dapi-team", "dose0123456789abcde", "eyJab", "eyJabcd-7"]) {
        const { clientId: found } = yield* request({ custom: { databricksClientId: clientId } })
        assertEquals(found, Option.some(clientId))
      }
    })
  )

  it.effect("is repeated on one line where it is wrong, with a mark for what does not print", () =>
    Effect.gen(function* () {
      const { message } = yield* refusal({ custom: { databricksAuthType: "a\r\n\u001b[31mb\u2028c" } })
      assert.include(message, 'databricksAuthType of the task is "a�[31mb�c", expected')
    })
  )
})

describe("the namespace that identities come from", () => {
  const task = { namespace: "flyte", project: "snacks", domain: "dev", org: "acme" }
  const made = (template: string, context: AuthRequest.TaskContext) => {
    const env = { ...connector, FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: template }
    return Effect.map(request(context, env), ({ namespace }) => namespace)
  }
  const invalid = (template: string, context: AuthRequest.TaskContext) =>
    refusal(context, { ...connector, FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: template })

  it.effect.each([
    ["{namespace}", "flyte"],
    ["{project}-{domain}", "snacks-dev"],
    ["{org}-{project}-{domain}", "acme-snacks-dev"],
    ["{project}-{project}", "snacks-snacks"],
    ["team-{project}", "team-snacks"],
    ["shared", "shared"]
  ] as const)("is what %s makes of the request: %s", ([template, namespace]) =>
    Effect.gen(function* () {
      assertEquals(yield* made(template, task), Option.some(namespace))
    })
  )

  it.effect.each([{}, { namespace: "" }, { namespace: "  " }, { project: "snacks" }])(
    "is none for a request without a namespace: %j",
    (context) =>
      Effect.gen(function* () {
        assertEquals(yield* made("{namespace}", context), Option.none())
      })
  )

  it.effect("is trimmed", () =>
    Effect.gen(function* () {
      assertEquals(
        yield* made("{project}-{domain}", { project: " snacks ", domain: "dev\n" }),
        Option.some("snacks-dev")
      )
    })
  )

  it.effect("is not read again for placeholders", () =>
    Effect.gen(function* () {
      const error = yield* invalid("{project}", { project: "{namespace}", namespace: "kube-system" })
      assert.strictEqual(error.reason._tag, "NamespaceInvalid")
    })
  )

  it.effect.each(["Team_A", "a.b", "../kube-system", "a/b", "-a", "a-", "x".repeat(64), "ä", "a b", "a\nb"])(
    "is an error where it cannot be one: %j",
    (namespace) =>
      Effect.gen(function* () {
        const error = yield* invalid("{namespace}", { namespace })
        assert.strictEqual(error.reason._tag, "NamespaceInvalid")
        assert.include(error.message, "FLYTE_DATABRICKS_NAMESPACE_TEMPLATE")
        assert.notInclude(error.message, "\n")
        assert.isFalse(error.retryable)
      })
  )

  it.effect.each([
    ["{project}-{domain}", { project: "snacks" }],
    ["{project}-{domain}", { domain: "dev" }],
    ["{project}-{domain}", { namespace: "flyte" }],
    ["{org}{project}", { project: "snacks" }],
    ["team-{org}x", { project: "snacks" }]
  ] as const)("is an error, and never another tenant's, where %s lacks a part in %j", ([template, context]) =>
    Effect.gen(function* () {
      const { message, reason } = yield* invalid(template, context)
      assert.strictEqual(reason._tag, "NamespaceInvalid")
      assert.include(message, template)
    })
  )
})

describe("FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE=false", () => {
  const locked = { ...connector, FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false" }

  it.effect("refuses a task that sets auth keys, and lists them", () =>
    Effect.gen(function* () {
      const error = yield* refusal({ custom: Object.fromEntries(keys.map((key) => [key, "x"])) }, locked)
      const ofAuthentication = keys.filter((key) => key !== "databricksInstance")
      assert(error.reason._tag === "TaskOverrideRefused")
      assert.deepStrictEqual(error.reason.keys, ofAuthentication)
      for (const key of ofAuthentication) assert.include(error.message, key)
      assert.include(error.message, "FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE=false")
    })
  )

  it.effect("refuses each of them alone, whatever it says", () =>
    Effect.gen(function* () {
      for (const [key, value] of [
        ["databricksAuthType", "pat"],
        ["databricksTokenSecret", "databricks-token"]
      ] as const) {
        const error = yield* refusal({ custom: { [key]: value } }, locked)
        assert(error.reason._tag === "TaskOverrideRefused")
        assert.deepStrictEqual(error.reason.keys, [key])
      }
    })
  )

  it.effect("does not repeat what a task set", () =>
    Effect.gen(function* () {
      const { message } = yield* refusal({ custom: { databricksTokenSecret: "hunter2" } }, locked)
      assert.notInclude(message, "hunter2")
    })
  )

  it.effect("lets a task through that sets none, or blanks", () =>
    Effect.gen(function* () {
      const custom = { databricksAuthType: " ", databricksClientId: null, sparkConf: {} }
      assert.strictEqual<string>((yield* request({ custom }, locked)).instance, instance)
    })
  )
})
