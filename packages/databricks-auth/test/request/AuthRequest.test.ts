import { AuthRequest, type AuthError, Modes, TaskSettings } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Equal, Option, Redacted, Schema } from "effect"
import { instance, settings } from "../support/environment.ts"

const connector = { FLYTE_DATABRICKS_INSTANCE: instance }

/** What selection works on, for a task at a connector with these variables. */
const request = (task: AuthRequest.TaskContext, env: Record<string, string> = connector) =>
  Effect.flatMap(settings(env), (resolved) => Effect.fromResult(AuthRequest.make(resolved, Modes.taskSettings)(task)))

/** Why there is no request; only errors of the submit count. */
const refusal = Effect.fnUntraced(function* (task: AuthRequest.TaskContext, env: Record<string, string> = connector) {
  const resolved = yield* settings(env)
  return yield* Effect.flip(Effect.fromResult(AuthRequest.make(resolved, Modes.taskSettings)(task)))
})

const refuseOverrides = (...given: Parameters<typeof AuthRequest.refuseOverrides>) =>
  Effect.fromResult(AuthRequest.refuseOverrides(...given))

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
    FLYTE_DATABRICKS_OIDC_AUDIENCE: "env-audience",
    FLYTE_DATABRICKS_ALLOWED_AUDIENCES: "task-audience"
  }
  const ofTask = {
    instance: " https://TASK.cloud.databricks.com/ ",
    authType: " oauth_m2m ",
    clientId: " app-1 ",
    tokenSecretName: " task-token ",
    oauthSecretName: "task-oauth\n",
    oidcTokenFile: " /var/task/token ",
    oidcAudience: " task-audience "
  }
  const ofEnvironment = {
    instance: "env.cloud.databricks.com",
    namespace: Option.some("team-a"),
    authType: Option.some({ value: "pat", from: "FLYTE_DATABRICKS_AUTH_TYPE" }),
    named: [],
    clientId: Option.none(),
    connection: Option.none(),
    tokenSecretName: "env-token",
    oauthSecretName: "env-oauth",
    tokenFile: Option.none(),
    audience: "env-audience",
    namespaceIdentity: "allow"
  }

  it.effect("the task's, trimmed", () =>
    Effect.gen(function* () {
      assertEquals<object>(yield* request({ namespace: "team-a", settings: ofTask }, env), {
        instance: "task.cloud.databricks.com",
        namespace: Option.some("team-a"),
        authType: Option.some({ value: "oauth_m2m", from: "databricksAuthType of the task" }),
        named: [
          "instance",
          "authType",
          "clientId",
          "tokenSecretName",
          "oauthSecretName",
          "oidcTokenFile",
          "oidcAudience"
        ],
        clientId: Option.some("app-1"),
        connection: Option.none(),
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
        named: [],
        clientId: Option.none(),
        connection: Option.none(),
        tokenSecretName: "databricks-token",
        oauthSecretName: "databricks-oauth",
        tokenFile: Option.none(),
        audience: "databricks",
        namespaceIdentity: "allow"
      })
    })
  )

  it.effect.each([undefined, "", "  ", "\t\n"])("and %j in the task counts as unset", (blank) =>
    Effect.gen(function* () {
      const unset = Object.fromEntries(Object.keys(ofTask).map((name) => [name, blank]))
      assertEquals<object>(yield* request({ namespace: "team-a", settings: unset }, env), ofEnvironment)
    })
  )

  it.effect("and is checked as one that Flyte brought", () =>
    Effect.gen(function* () {
      const error = yield* refusal({ settings: { clientId: "dapi0123456789abcdef0123456789abcdef" } })
      assert.strictEqual(settingOf(error), "databricksClientId of the task")
    })
  )
})

describe("the connection of a request", () => {
  const connection = { databricksToken: Option.some(Redacted.make("t")) }
  const settings = { connectionSecretName: "my-token" }

  it.effect("comes with the secret that the task names for it", () =>
    Effect.gen(function* () {
      const named = yield* request({ connection, settings })
      assert.deepStrictEqual(named.named, ["connectionSecretName"])
      assertEquals(named.connection, Option.some({ value: connection, secretName: Option.some("my-token") }))
      const unnamed = yield* request({ connection })
      assertEquals(unnamed.connection, Option.some({ value: connection, secretName: Option.none() }))
    })
  )

  it.effect("is absent without one, whatever the task names", () =>
    Effect.gen(function* () {
      const { connection, named } = yield* request({ settings })
      assertEquals(connection, Option.none())
      assert.deepStrictEqual(named, [])
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
      const error = yield* refusal({ settings: { instance: "evil.com" } })
      assert.strictEqual(error.reason._tag, "InstanceRefused")
    })
  )
  it.effect("on the list is a task's choice also where it may not choose how to authenticate", () =>
    Effect.gen(function* () {
      const env = { ...connector, FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false" }
      const { instance } = yield* request({ settings: { instance: "other.cloud.databricks.com" } }, env)
      assert.strictEqual<string>(instance, "other.cloud.databricks.com")
    })
  )
})

describe("an auth type that a task names", () => {
  it.effect.each(["token", "OAUTH_M2M", "auto"])(
    "and that does not exist is an error with the three that do: %s",
    (authType) =>
      Effect.gen(function* () {
        const error = yield* refusal({ settings: { authType } })
        assert.strictEqual(settingOf(error), "databricksAuthType of the task")
        for (const valid of ["pat", "oauth_m2m", "oidc_federation"]) assert.include(error.message, valid)
      })
  )
})

describe.each(["tokenSecretName", "oauthSecretName"] as const)("a name in %s", (name) => {
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
  ])("that could lead out of its place in a path is refused: %j", (value) =>
    Effect.gen(function* () {
      const error = yield* refusal({ namespace: "team-a", settings: { [name]: value } })
      assert.strictEqual(settingOf(error), `${TaskSettings.customKeys[name]} of the task`)
      assert.include(error.message, "expected the name of a Kubernetes Secret.")
      assert.notMatch(error.message, /[\x00-\x1f]/)
    })
  )
  it.effect("may have dots and 253 characters", () =>
    Effect.gen(function* () {
      for (const value of ["a", "0", "a.b.c", "team.databricks-token.v2", "x".repeat(253)]) {
        assert.strictEqual((yield* request({ settings: { [name]: value } }))[name], value)
      }
    })
  )
})

describe("a setting of a task", () => {
  it.effect("is repeated on one line where it is wrong, with a mark for what does not print", () =>
    Effect.gen(function* () {
      const { message } = yield* refusal({ settings: { authType: "a\r\n\u001b[31mb\u2028c" } })
      assert.include(message, 'databricksAuthType of the task is "a�[31mb�c", expected')
    })
  )
})

// Of few letters, so that two requests often look alike.
const Word = Schema.Literals(["a", "b", "a-b", "b-a", "a-a", "a-b-a"])
const Pair = Schema.Struct({ project: Word, domain: Word })

describe("the namespace that identities come from", () => {
  const task = { namespace: "flyte", project: "snacks", domain: "dev", org: "acme" }
  const made = (template: string, context: AuthRequest.TaskContext) => {
    const env = { ...connector, FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: template }
    return Effect.map(request(context, env), ({ namespace }) => namespace)
  }
  const invalid = (template: string, context: AuthRequest.TaskContext) =>
    refusal(context, { ...connector, FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: template })

  it.effect("is never one that another project and domain have too", () =>
    Effect.gen(function* () {
      const template = "{project}-{domain}"
      const made1 = yield* made(template, { project: "billing-eu", domain: "production" })
      assertEquals(made1, Option.some("billing-eu-production"))
      const { reason, message } = yield* invalid(template, { project: "billing", domain: "eu-production" })
      assert.strictEqual(reason._tag, "NamespaceAmbiguous")
      assert.include(message, 'The domain "eu-production" has a hyphen')
      assertEquals(yield* made("{domain}", { domain: "eu-production" }), Option.some("eu-production"))
    })
  )

  it.effect.prop(
    "is one request's alone, whatever its project and domain are",
    [Pair, Pair],
    ([one, other]) =>
      Effect.gen(function* () {
        const first = yield* Effect.option(made("{project}-{domain}", one))
        const second = yield* Effect.option(made("{project}-{domain}", other))
        if (Option.isNone(first) || Option.isNone(second)) return
        assert.strictEqual(
          Equal.equals(first.value, second.value),
          one.project === other.project && one.domain === other.domain
        )
      }),
    { arbitrary: { runs: 500 } }
  )

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
    ["{project}-{domain}", { project: "snacks" }, "domain"],
    ["{project}-{domain}", { domain: "dev" }, "project"],
    ["{project}-{domain}", { namespace: "flyte" }, "project and domain"],
    ["{org}-{project}", { project: "snacks" }, "org"],
    ["team-{org}x", { project: "snacks" }, "org"]
  ] as const)("is an error, and never another tenant's, where %s lacks a part in %j", ([template, context, missing]) =>
    Effect.gen(function* () {
      const { message, reason } = yield* invalid(template, context)
      assert.strictEqual(reason._tag, "NamespaceInvalid")
      assert.include(message, `"${template}" asks for ${missing}, which the request does not have`)
    })
  )
})

describe("FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE=false", () => {
  const locked = { ...connector, FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false" }

  const ofIdentity = [
    "authType",
    "clientId",
    "tokenSecretName",
    "oauthSecretName",
    "oidcTokenFile",
    "oidcAudience"
  ] as const

  it.effect("refuses a task that sets auth keys, and lists them", () =>
    Effect.gen(function* () {
      const names = ["instance", ...ofIdentity]
      const error = yield* refusal({ settings: Object.fromEntries(names.map((name) => [name, "x"])) }, locked)
      const keys = ofIdentity.map((name) => TaskSettings.customKeys[name])
      assert(error.reason._tag === "TaskOverrideRefused")
      assert.sameMembers([...error.reason.keys], keys)
      for (const key of keys) assert.include(error.message, key)
      assert.include(error.message, "FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE=false")
    })
  )

  it.effect.each(ofIdentity)("refuses each of them alone: %s", (name) =>
    Effect.gen(function* () {
      const error = yield* refusal({ settings: { [name]: "pat" } }, locked)
      assert(error.reason._tag === "TaskOverrideRefused")
      assert.deepStrictEqual(error.reason.keys, [TaskSettings.customKeys[name]])
    })
  )

  it.effect("does not repeat what a task set", () =>
    Effect.gen(function* () {
      const { message } = yield* refusal({ settings: { tokenSecretName: "hunter2" } }, locked)
      assert.notInclude(message, "hunter2")
    })
  )

  it.effect("lets a task through that sets none, or blanks, or names a secret for a connection that is not there", () =>
    Effect.gen(function* () {
      for (const settings of [{ authType: " ", clientId: undefined }, { connectionSecretName: "my-token" }]) {
        assert.strictEqual<string>((yield* request({ settings }, locked)).instance, instance)
      }
    })
  )
})

describe("the settings that a task may not override", () => {
  const task = { connection: Option.none(), authType: "pat", clientId: "app-1", connectionSecretName: "my-token" }

  it.effect("are those of the list, and no others", () =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(refuseOverrides(task, ["clientId", "oidcAudience", "authType"]))
      assert(reason._tag === "TaskOverrideRefused")
      assert.deepStrictEqual(reason.keys, ["databricksClientId", "databricksAuthType"])
      yield* refuseOverrides(task, ["oidcAudience", "connectionSecretName"])
      yield* refuseOverrides(task, [])
    })
  )
})
