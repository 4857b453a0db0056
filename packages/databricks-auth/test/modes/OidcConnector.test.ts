import { type DatabricksAuth, type TaskSettings, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import {
  connector,
  connectorClaims,
  type Entry,
  header,
  jwtText,
  makeCluster,
  makeTokenFiles,
  offered,
  refusal,
  resolve,
  submit,
  type Surroundings
} from "../support/oidc.ts"
import { assertNoSecret, shownAs } from "../support/secrecy.ts"

const defaultPath = "/var/run/secrets/databricks/token"
const app = { FLYTE_DATABRICKS_CLIENT_ID: "app-1" }
const explicit = { FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation" }
const forAws = jwtText({ ...connectorClaims, aud: ["sts.amazonaws.com"] })
const forBoth = jwtText({ ...connectorClaims, aud: ["sts.amazonaws.com", "databricks"] })

type Files = Record<string, Entry>

/** Who a task is on a connector with these variables and files; the cluster offers nothing. */
const who = (
  env: Record<string, string>,
  files: Files = {},
  settings: TaskSettings.TaskSettings = {},
  rest: Surroundings = {}
) =>
  Effect.gen(function* () {
    const { layer } = yield* makeTokenFiles(files)
    return yield* Effect.result(resolve(settings)).pipe(Effect.provide(connector({ env, files: { layer }, ...rest })))
  })

/** An outcome in one line: the identity, or the reason. */
const line = (
  result: Result.Result<
    DatabricksAuth.Resolved,
    { readonly message: string; readonly reason?: { readonly _tag: string } }
  >
) => {
  if (Result.isFailure(result)) return result.failure.reason?._tag ?? result.failure.message
  const { identity } = result.success
  return identity._tag === "oidc_connector"
    ? `${identity.clientId} by ${identity.tokenFile} for ${identity.audience}`
    : identity._tag === "oidc_namespace"
      ? `${identity.clientId} as ${identity.namespace}/${identity.serviceAccount} for ${identity.audience}`
      : `${identity._tag} ${identity.principal}`
}

const message = (result: Result.Result<unknown, { readonly message: string }>): string =>
  Result.isFailure(result) ? result.failure.message : assert.fail("it was to fail")

const detected = (env: Record<string, string>, files: Files, settings?: TaskSettings.TaskSettings) =>
  Effect.map(who(env, files, settings), line)

describe("Model 1", () => {
  it.effect("is a client id and the JWT at the default path", () =>
    Effect.gen(function* () {
      for (const env of [app, { ...app, ...explicit }, { DATABRICKS_CLIENT_ID: "app-1" }]) {
        assert.strictEqual(yield* detected(env, { [defaultPath]: jwtText() }), `app-1 by ${defaultPath} for databricks`)
      }
    })
  )

  it.effect("takes file, client id and audience from the task, then the environment, then the default", () =>
    Effect.gen(function* () {
      const env = {
        ...app,
        FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/operator/token",
        FLYTE_DATABRICKS_OIDC_AUDIENCE: "account-id",
        FLYTE_DATABRICKS_ALLOWED_AUDIENCES: "other",
        FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: "/tokens"
      }
      const files = { "/operator/token": jwtText(), "/tokens/mine": jwtText(), [defaultPath]: "broken" }
      assert.strictEqual(yield* detected(env, files), "app-1 by /operator/token for account-id")
      const settings = {
        clientId: "app-2",
        oidcTokenFile: "/tokens/mine",
        oidcAudience: "other"
      }
      assert.strictEqual(yield* detected(env, files, settings), "app-2 by /tokens/mine for other")
      assert.strictEqual(
        yield* detected(
          { FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: "/tokens", FLYTE_DATABRICKS_ALLOWED_AUDIENCES: "other" },
          files,
          settings
        ),
        "app-2 by /tokens/mine for other"
      )
      assert.strictEqual(yield* detected(env, files, { oidcTokenFile: " " }), "app-1 by /operator/token for account-id")
    })
  )

  it.effect("without a client id is absent, and no file is looked at", () =>
    Effect.gen(function* () {
      const files = yield* makeTokenFiles({ [defaultPath]: jwtText() })
      for (const env of [{}, { FLYTE_DATABRICKS_CLIENT_ID: "  " }, { FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/missing" }]) {
        const error = yield* Effect.flip(resolve()).pipe(
          Effect.provide(connector({ env: { ...env, ...explicit }, files }))
        )
        assert.include(error.message, "no client id: FLYTE_DATABRICKS_CLIENT_ID is not set")
      }
      assert.deepStrictEqual(yield* files.touched, [])
    })
  )

  it.effect("with nothing at the default path is absent, and the explanation says where it looked", () =>
    Effect.gen(function* () {
      const pat = { FLYTE_DATABRICKS_CLIENT_ID: "app-1", FLYTE_DATABRICKS_CLIENT_SECRET: "s" }
      const result = yield* who(pat)
      assert.strictEqual(line(result), "oauth_m2m app-1")
      assert(Result.isSuccess(result))
      assert.include(
        result.success.explanation.map(({ outcome, detail }) => `${outcome}: ${detail}`).join("\n"),
        `absent: JWT file ${defaultPath} (the default path) does not exist`
      )
      assert.include(
        message(yield* who({ ...pat, ...explicit })),
        `JWT file ${defaultPath} (the default path) does not exist`
      )
    })
  )
})

describe("the file at the default path, once there is a client id,", () => {
  const broken: ReadonlyArray<Entry> = [
    "",
    " \n",
    "text",
    jwtText().slice(0, 50),
    { type: "Directory" },
    { unreadable: "PermissionDenied" }
  ]
  it.effect.each(broken)("is broken where it is there and no JWT, and nothing weaker is tried: %j", (entry) =>
    Effect.gen(function* () {
      const weaker = { FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi" }
      for (const env of [
        { ...app, ...weaker },
        { ...app, ...weaker, ...explicit }
      ]) {
        const result = yield* who(env, { [defaultPath]: entry })
        assert.strictEqual(line(result), "CredentialsBroken")
        assert.include(message(result), `JWT file ${defaultPath} (the default path)`)
      }
    })
  )
})

describe("a file that is named", () => {
  const named: ReadonlyArray<readonly [string, Record<string, string>, Record<string, unknown>]> = [
    ["FLYTE_DATABRICKS_OIDC_TOKEN_FILE", { FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/tokens/named" }, {}],
    [
      "databricksOidcTokenFile of the task",
      { FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: "/tokens" },
      { oidcTokenFile: "/tokens/named" }
    ]
  ]
  it.effect.each(named)("by %s has to be whole: nothing else is taken in its place", ([by, env, settings]) =>
    Effect.gen(function* () {
      const rest = {
        [defaultPath]: jwtText(),
        "/aws": forBoth
      }
      const faults: ReadonlyArray<readonly [Files, string]> = [
        [{}, "does not exist"],
        [{ "/tokens/named": "" }, "is empty"],
        [{ "/tokens/named": "text" }, "does not hold a JWT"],
        [{ "/tokens/named": { type: "Directory" } }, "is not a file but a directory"],
        [{ "/tokens/named": { unreadable: "PermissionDenied" } }, "cannot be read (PermissionDenied)"]
      ]
      for (const [files, problem] of faults) {
        for (const authType of [{}, explicit]) {
          const result = yield* who(
            { ...app, ...env, ...authType, AWS_WEB_IDENTITY_TOKEN_FILE: "/aws" },
            { ...rest, ...files },
            settings
          )
          assert.strictEqual(line(result), "CredentialsBroken")
          assert.include(message(result), `JWT file /tokens/named (named by ${by}) ${problem}.`)
        }
      }
    })
  )

  it.effect("is taken whatever its audience is: Databricks has the last word", () =>
    Effect.gen(function* () {
      const env = { ...app, FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/named" }
      assert.strictEqual(yield* detected(env, { "/named": forAws }), "app-1 by /named for databricks")
    })
  )

  it.effect("by a task, outside of the operator's directories, is refused in every mode's place", () =>
    Effect.gen(function* () {
      const files = yield* makeTokenFiles({
        [defaultPath]: jwtText(),
        "/etc/token": jwtText(),
        "/tokens-evil/token": jwtText()
      })
      const env = { ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: "/tokens" }
      for (const file of ["/etc/token", "/tokens/../etc/token", "/tokens-evil/token", "tokens/token", defaultPath]) {
        const result = yield* Effect.result(resolve({ oidcTokenFile: file })).pipe(
          Effect.provide(connector({ env, files }))
        )
        assert.strictEqual(line(result), "CredentialsBroken", file)
        assert.include(message(result), "is refused: it is not inside /tokens")
      }
      assert.deepStrictEqual(yield* files.touched, [])
    })
  )

  it.effect("by a task is refused where tasks may set nothing of the kind", () =>
    Effect.gen(function* () {
      const env = {
        ...app,
        FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false",
        FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: "/tokens"
      }
      const files = { "/tokens/t": jwtText(), [defaultPath]: jwtText() }
      assert.strictEqual(yield* detected(env, files, { oidcTokenFile: "/tokens/t" }), "TaskOverrideRefused")
      assert.strictEqual(yield* detected(env, files), `app-1 by ${defaultPath} for databricks`)
    })
  )
})

describe("the file that EKS names for AWS", () => {
  const env = { ...app, AWS_WEB_IDENTITY_TOKEN_FILE: "/aws" }

  it.effect("counts in auto-detect only if it is for the audience too", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* detected(env, { "/aws": forBoth }), "app-1 by /aws for databricks")
      const m2m = { ...env, FLYTE_DATABRICKS_CLIENT_SECRET: "s" }
      for (const entry of [forAws, jwtText({}), "", "text", { type: "Directory" }] satisfies ReadonlyArray<Entry>) {
        assert.strictEqual(yield* detected(m2m, { "/aws": entry }), "oauth_m2m app-1")
        assert.strictEqual(
          yield* detected(env, { "/aws": entry, [defaultPath]: jwtText() }),
          `app-1 by ${defaultPath} for databricks`
        )
      }
      assert.strictEqual(yield* detected(m2m, {}), "oauth_m2m app-1")
      const settings = { oidcAudience: "sts.amazonaws.com" }
      const allowed = { ...env, FLYTE_DATABRICKS_ALLOWED_AUDIENCES: "sts.amazonaws.com" }
      assert.strictEqual(yield* detected(allowed, { "/aws": forAws }, settings), "app-1 by /aws for sts.amazonaws.com")
    })
  )

  it.effect("is in the explanation where it was passed over", () =>
    Effect.gen(function* () {
      const result = yield* who({ ...env, FLYTE_DATABRICKS_CLIENT_SECRET: "s" }, { "/aws": forAws })
      assert(Result.isSuccess(result))
      assert.include(
        JSON.stringify(result.success.explanation),
        "JWT file /aws (named by AWS_WEB_IDENTITY_TOKEN_FILE) holds no JWT for audience databricks"
      )
    })
  )

  it.effect("is taken as it is where the auth type is set, by the operator or the task", () =>
    Effect.gen(function* () {
      const files = { "/aws": forAws, [defaultPath]: jwtText() }
      assert.strictEqual(yield* detected({ ...env, ...explicit }, files), "app-1 by /aws for databricks")
      const settings = { authType: "oidc_federation" }
      assert.strictEqual(yield* detected(env, files, settings), "app-1 by /aws for databricks")
      for (const entry of [undefined, "", "text"]) {
        const result = yield* who(
          { ...env, ...explicit },
          { [defaultPath]: jwtText(), ...(entry === undefined ? {} : { "/aws": entry }) }
        )
        assert.strictEqual(line(result), "CredentialsBroken")
        assert.include(message(result), "JWT file /aws (named by AWS_WEB_IDENTITY_TOKEN_FILE)")
      }
    })
  )

  it.effect("comes after the one that is named for Databricks", () =>
    Effect.gen(function* () {
      const both = { ...env, ...explicit, FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/named" }
      assert.strictEqual(
        yield* detected(both, { "/aws": forBoth, "/named": jwtText() }),
        "app-1 by /named for databricks"
      )
    })
  )
})

describe("half of Model 1", () => {
  it.effect("is an error that names both halves: a client id, and neither a JWT file nor a secret", () =>
    Effect.gen(function* () {
      const pat = { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi" }
      const halves: ReadonlyArray<readonly [Record<string, string>, Record<string, unknown>]> = [
        [{ ...app, ...pat }, {}],
        [{ DATABRICKS_CLIENT_ID: "app-1", ...pat }, {}],
        [pat, { clientId: "app-1" }]
      ]
      for (const [env, settings] of halves) {
        const result = yield* who(env, {}, settings)
        assert.strictEqual(line(result), "CredentialsBroken")
        assert.include(message(result), "neither a client secret nor a JWT file")
      }
    })
  )

  it.effect("a JWT file alone, is nothing", () =>
    Effect.gen(function* () {
      const files = { [defaultPath]: jwtText() }
      assert.strictEqual(yield* detected({ FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi" }, files), "pat owner of the PAT")
      assert.strictEqual(
        yield* detected({ FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi", ...explicit }, files),
        "CredentialsMissing"
      )
    })
  )
})

describe("auto-detect", () => {
  const files = { [defaultPath]: jwtText() }
  const pair = { ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s" }
  const pat = { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi" }
  const secrets = {
    "team-a/databricks-oauth": { client_id: "app-ns", client_secret: "s" },
    "team-a/databricks-token": { token: "dapi-ns" }
  }
  const everything = { ...pair, ...pat }
  const inCluster = (
    serviceAccounts: Parameters<typeof makeCluster>[0],
    env: Record<string, string>,
    given: Files,
    settings = {}
  ) =>
    Effect.gen(function* () {
      const cluster = yield* makeCluster(serviceAccounts, secrets)
      return line(yield* who(env, given, settings, { cluster }))
    })

  it.effect(
    "takes the strongest that is there: the namespace's ServiceAccount, the connector's JWT, a pair, a PAT",
    () =>
      Effect.gen(function* () {
        const offer = { "team-a/spark": offered("app-sa") }
        assert.strictEqual(yield* inCluster(offer, everything, files), "app-sa as team-a/spark for databricks")
        assert.strictEqual(yield* inCluster({}, everything, files), `app-1 by ${defaultPath} for databricks`)
        assert.strictEqual(yield* inCluster({}, everything, {}), "oauth_m2m app-ns")
        assert.strictEqual(yield* detected(everything, {}), "oauth_m2m app-1")
        assert.strictEqual(yield* detected(pat, files), "pat owner of the PAT")
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
      const result = yield* who({ ...required, ...explicit }, files)
      assert.strictEqual(line(result), "CredentialsMissing")
      assert.include(message(result), "FLYTE_DATABRICKS_NAMESPACE_IDENTITY is require")
    })
  )

  it.effect("never looks into the cluster where namespaces are ignored", () =>
    Effect.gen(function* () {
      const cluster = yield* makeCluster({ "team-a/spark": offered("app-sa") }, secrets)
      const ignored = { ...everything, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore" }
      assert.strictEqual(line(yield* who(ignored, files, {}, { cluster })), `app-1 by ${defaultPath} for databricks`)
      assert.strictEqual(
        line(yield* who({ ...ignored, ...explicit }, files, {}, { cluster })),
        `app-1 by ${defaultPath} for databricks`
      )
      assert.deepStrictEqual(yield* cluster.calls, [])
    })
  )

  it.effect("of a request without a namespace is the connector's", () =>
    Effect.gen(function* () {
      const { layer } = yield* makeTokenFiles(files)
      const auth = yield* resolve({}, "").pipe(Effect.provide(connector({ env: everything, files: { layer } })))
      assert.strictEqual(auth.identity.principal, "app-1")
      assert.include(JSON.stringify(auth.explanation), "the request has no namespace")
    })
  )
})

describe("a token of Model 1", () => {
  it.effect("is exchanged for the JWT that is in the file at that moment, once for all namespaces", () =>
    Effect.gen(function* () {
      const files = yield* makeTokenFiles({ [defaultPath]: jwtText({ ...connectorClaims, sub: "one" }) })
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* submit(), "Bearer app-1-as-one-1")
        assert.strictEqual(yield* submit({}, "team-b"), "Bearer app-1-as-one-1")
        yield* files.write(defaultPath, jwtText({ ...connectorClaims, sub: "two", exp: 7200 }))
        assert.strictEqual(yield* submit(), "Bearer app-1-as-one-1", "the token is still good")
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* submit(), "Bearer app-1-as-two-2")
        const { requests } = yield* TokenEndpoint.TokenEndpointMemory
        assert.lengthOf(yield* requests, 2)
      }).pipe(Effect.provide(connector({ env: app, files })))
    })
  )

  it.effect("is an error once the file is gone, broken or no longer rotated; and never another mode's", () =>
    Effect.gen(function* () {
      const env = { ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi" }
      const later: ReadonlyArray<readonly [Entry | undefined, string]> = [
        [undefined, "does not exist"],
        ["", "is empty"],
        [jwtText().slice(0, 40), "does not hold a JWT"],
        [jwtText(), "holds a JWT that expired at 1970-01-01T01:00:00.000Z: it is no longer rotated"]
      ]
      for (const [entry, problem] of later) {
        const files = yield* makeTokenFiles({ [defaultPath]: jwtText() })
        yield* Effect.gen(function* () {
          const resolved = yield* resolve()
          yield* entry === undefined ? files.remove(defaultPath) : files.write(defaultPath, entry)
          yield* TestClock.adjust("61 minutes")
          const error = yield* Effect.flip(header(resolved))
          assert.strictEqual(error.reason._tag, "CredentialsBroken")
          assert.include(error.message, `JWT file ${defaultPath} (the default path) ${problem}.`)
          assertNoSecret("the error", ...shownAs(error))
          const { requests } = yield* TokenEndpoint.TokenEndpointMemory
          assert.lengthOf(yield* requests, 0)
          yield* files.write(defaultPath, jwtText({ ...connectorClaims, exp: 7200 * 3 }))
          yield* TestClock.adjust("5 seconds")
          assert.include(yield* header(resolved), "app-1-as-")
        }).pipe(Effect.provide(connector({ env, files })))
      }
    })
  )

  it.effect("is exchanged for a JWT that ended within the last minute: Databricks has the last word", () =>
    Effect.gen(function* () {
      const files = yield* makeTokenFiles({ [defaultPath]: jwtText() })
      yield* Effect.gen(function* () {
        const resolved = yield* resolve()
        yield* TestClock.adjust(3_659_999)
        assert.include(yield* header(resolved), "app-1-as-")
      }).pipe(Effect.provide(connector({ env: app, files })))
    })
  )

  it.effect("that is refused is the error, with no other identity in its place", () =>
    Effect.gen(function* () {
      const files = yield* makeTokenFiles({ [defaultPath]: jwtText() })
      const env = { ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi" }
      const respond = (request: TokenEndpoint.TokenRequest) =>
        "subject" in request ? Effect.fail(refusal) : Effect.die("another mode was asked")
      const error = yield* Effect.flip(submit()).pipe(Effect.provide(connector({ env, files, respond })))
      assert.strictEqual(error.reason._tag, "ExchangeRefused")
    })
  )

  it.effect("says which file its JWT came from, and shows nothing of it", () =>
    Effect.gen(function* () {
      const files = yield* makeTokenFiles({ [defaultPath]: jwtText() })
      yield* Effect.gen(function* () {
        const resolved = yield* resolve()
        yield* header(resolved)
        const [request] = yield* Effect.flatMap(TokenEndpoint.TokenEndpointMemory, ({ requests }) => requests)
        assert(request !== undefined && "subject" in request)
        assert.strictEqual(request.source, `JWT file ${defaultPath}`)
        assert.strictEqual(Redacted.value(request.subject.token), jwtText())
        assertNoSecret("what was resolved", ...shownAs(request), ...shownAs(resolved))
      }).pipe(Effect.provide(connector({ env: app, files })))
    })
  )
})
