import {
  ConnectorSettings,
  OidcConnector,
  ProjectedToken,
  type TaskSettings,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { connectorClaims, jwt, jwtText } from "../support/jwt.ts"
import { attempt, defaultPath, type Entry, explicit, inside, message, outcome, resolve } from "../support/oidc.ts"

const app = { FLYTE_DATABRICKS_CLIENT_ID: "app-1" }
const forAws = jwtText({ ...connectorClaims, aud: ["sts.amazonaws.com"] })
const forBoth = jwtText({ ...connectorClaims, aud: ["sts.amazonaws.com", "databricks"] })

type Files = Record<string, Entry>

const detected = (env: Record<string, string>, files: Files, settings?: TaskSettings.TaskSettings) =>
  Effect.map(attempt({ env, files }, settings), outcome)

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
      for (const env of [{}, { FLYTE_DATABRICKS_CLIENT_ID: "  " }, { FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/missing" }]) {
        yield* inside({ env: { ...env, ...explicit }, files: { [defaultPath]: jwtText() } }, ({ files }) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(resolve())
            assert.include(error.message, "no client id: FLYTE_DATABRICKS_CLIENT_ID is not set")
            assert.deepStrictEqual(yield* files.touched, [])
          })
        )
      }
    })
  )

  it.effect("with nothing at the default path is absent, and the explanation says where it looked", () =>
    Effect.gen(function* () {
      const pat = { FLYTE_DATABRICKS_CLIENT_ID: "app-1", FLYTE_DATABRICKS_CLIENT_SECRET: "s" }
      const result = yield* attempt({ env: pat })
      assert.strictEqual(outcome(result), "oauth_m2m app-1")
      assert(Result.isSuccess(result))
      assert.include(
        result.success.explanation.map(({ outcome, detail }) => `${outcome}: ${detail}`).join("\n"),
        `absent: JWT file ${defaultPath} (the default path) does not exist`
      )
      assert.include(
        message(yield* attempt({ env: { ...pat, ...explicit } })),
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
        const result = yield* attempt({ env, files: { [defaultPath]: entry } })
        assert.strictEqual(outcome(result), "CredentialsBroken")
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
          const result = yield* attempt(
            {
              env: { ...app, ...env, ...authType, AWS_WEB_IDENTITY_TOKEN_FILE: "/aws" },
              files: { ...rest, ...files }
            },
            settings
          )
          assert.strictEqual(outcome(result), "CredentialsBroken")
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
      const tokens = { [defaultPath]: jwtText(), "/etc/token": jwtText(), "/tokens-evil/token": jwtText() }
      const env = { ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: "/tokens" }
      for (const file of ["/etc/token", "/tokens/../etc/token", "/tokens-evil/token", "tokens/token", defaultPath]) {
        yield* inside({ env, files: tokens }, ({ files }) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(resolve({ oidcTokenFile: file }))
            assert.strictEqual(error.reason._tag, "CredentialsBroken", file)
            assert.include(error.message, "is refused: it is not inside /tokens")
            assert.deepStrictEqual(yield* files.touched, [])
          })
        )
      }
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
      const result = yield* attempt({ env: { ...env, FLYTE_DATABRICKS_CLIENT_SECRET: "s" }, files: { "/aws": forAws } })
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
        const result = yield* attempt({
          env: { ...env, ...explicit },
          files: { [defaultPath]: jwtText(), ...(entry === undefined ? {} : { "/aws": entry }) }
        })
        assert.strictEqual(outcome(result), "CredentialsBroken")
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

describe("a client id", () => {
  /** Whether a client id that stands alone is Model 1's, on a connector with a JWT at the default path. */
  const isTaken = (clientId: string) =>
    Effect.flatMap(OidcConnector.mode.wire, ({ summarize }) => summarize(false)).pipe(
      Effect.map(({ hasAny, takesClientId }) => [hasAny, takesClientId]),
      Effect.provide([
        ProjectedToken.layerMemory({ clientId, files: { [defaultPath]: jwt() } }),
        TokenEndpoint.layerMemory(() => Effect.die("a summary asks for no token")),
        ConnectorSettings.layer()
      ])
    )

  it.effect("is Model 1's where there is a JWT to go with it, and nobody's where it is broken", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* isTaken("app-1"), [true, true])
      assert.deepStrictEqual(yield* isTaken("dose0123456789abcdef0123456789abcdef"), [true, false])
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
        const result = yield* attempt({ env }, settings)
        assert.strictEqual(outcome(result), "CredentialsBroken")
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
