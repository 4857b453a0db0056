/**
 * Databricks' own variables, as its SDKs read them ("unified authentication"): the strongest that is set, in their order,
 * or the one that `DATABRICKS_AUTH_TYPE` names.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { DatabricksError } from "../DatabricksError.ts"
import type { Make } from "../Setup.ts"
import * as IdTokenSource from "../../sources/IdTokenSource.ts"
import { federated, oauthM2M, oidc, pat } from "./ways.ts"

/** Variables by their names. */
export type Variables = Readonly<Record<string, string | undefined>>

/** The variable, trimmed; none where it is blank. */
const read = (name: string): Config.Config<string | undefined> =>
  Config.option(Config.String(name)).pipe(
    Config.map((value) => {
      const text = Option.getOrElse(value, () => "").trim()
      return text === "" ? undefined : text
    })
  )

const from = <A>(config: Config.Config<A>, variables: Variables | undefined): Effect.Effect<A, Config.ConfigError> =>
  Effect.provide(config, provided(variables))

/** The variables as they are at this moment: Effect's own provider keeps those of the process as they were first. */
const provided = (variables: Variables | undefined): Layer.Layer<never> =>
  ConfigProvider.layer(ConfigProvider.fromEnv(variables === undefined ? {} : { env: definedOf(variables) }))

const definedOf = (variables: Variables): Record<string, string> =>
  Object.fromEntries(Object.entries(variables).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))

/** The workspace's address. */
export const host = (variables?: Variables): Effect.Effect<string | undefined, Config.ConfigError> =>
  from(read("DATABRICKS_HOST"), variables)

const authTypes = ["pat", "oauth-m2m", "env-oidc", "file-oidc", "github-oidc"] as const

const settings = Config.all({
  authType: read("DATABRICKS_AUTH_TYPE"),
  token: read("DATABRICKS_TOKEN"),
  clientId: read("DATABRICKS_CLIENT_ID"),
  clientSecret: read("DATABRICKS_CLIENT_SECRET"),
  oidcTokenEnv: read("DATABRICKS_OIDC_TOKEN_ENV"),
  oidcTokenFilepath: read("DATABRICKS_OIDC_TOKEN_FILEPATH"),
  oidcTokenFile: read("DATABRICKS_OIDC_TOKEN_FILE"),
  gitHub: read("ACTIONS_ID_TOKEN_REQUEST_URL")
})

const wrong = (message: string) => new DatabricksError("configuration_invalid", message)

export const fromEnvironment =
  (variables?: Variables): Make =>
  (host) =>
    Effect.gen(function* () {
      const given = yield* from(settings, variables)
      const { authType, clientId, clientSecret, token } = given
      if (authType !== undefined && !authTypes.some((served) => served === authType)) {
        return yield* Effect.fail(
          wrong(`DATABRICKS_AUTH_TYPE is "${authType.slice(0, 40)}", expected one of ${authTypes.join(", ")}.`)
        )
      }
      if (authType === undefined && token !== undefined && clientSecret !== undefined) {
        return yield* Effect.fail(
          wrong(
            "DATABRICKS_TOKEN and DATABRICKS_CLIENT_SECRET are both set. Unset one, or say which in DATABRICKS_AUTH_TYPE " +
              "(pat or oauth-m2m)."
          )
        )
      }
      const variable = given.oidcTokenEnv ?? "DATABRICKS_OIDC_TOKEN"
      const file = given.oidcTokenFilepath ?? given.oidcTokenFile
      const idToken = yield* from(read(variable), variables)

      const ways: Readonly<Record<(typeof authTypes)[number], Make | undefined>> = {
        pat: token === undefined ? undefined : pat(token, "DATABRICKS_TOKEN"),
        "oauth-m2m":
          clientId === undefined || clientSecret === undefined
            ? undefined
            : oauthM2M(clientId, clientSecret, "DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET"),
        "env-oidc":
          clientId === undefined || idToken === undefined
            ? undefined
            : oidc(clientId, () => Effect.runPromise(again(variable, variables)), `variable ${variable}`),
        "file-oidc":
          clientId === undefined || file === undefined
            ? undefined
            : oidc(clientId, () => readFile(file), `file ${file}`),
        "github-oidc":
          clientId === undefined || given.gitHub === undefined
            ? undefined
            : (host) => Effect.succeed(federated(host, clientId, "GitHub Actions", gitHub(variables)))
      }
      const wanted = authTypes.filter((served) => authType === undefined || authType === served)
      const way = wanted.map((served) => ways[served]).find((found) => found !== undefined)
      if (way !== undefined) return yield* way(host)
      return yield* Effect.fail(
        new DatabricksError(
          "credentials_missing",
          `The environment holds no credentials for Databricks${authType === undefined ? "" : ` (auth type ${authType})`}. ` +
            "Set DATABRICKS_TOKEN; or DATABRICKS_CLIENT_ID with DATABRICKS_CLIENT_SECRET; or DATABRICKS_CLIENT_ID with " +
            "a JWT in DATABRICKS_OIDC_TOKEN, in a file that DATABRICKS_OIDC_TOKEN_FILEPATH names, or of GitHub Actions."
        )
      )
    })

const gitHub = (variables: Variables | undefined) =>
  IdTokenSource.layerGitHubActions.pipe(Layer.provide(provided(variables)))

// A rotated JWT is set anew.
const again = (variable: string, variables: Variables | undefined): Effect.Effect<string, Config.ConfigError> =>
  Effect.map(from(read(variable), variables), (value) => value ?? "")

// Loaded where a file is named alone: not every runtime has one.
const readFile = async (file: string): Promise<string> => {
  const files = await import("node:fs/promises")
  try {
    return await files.readFile(file, "utf8")
  } catch (error) {
    const code = Predicate.hasProperty(error, "code") ? String(error.code) : "unknown"
    throw new DatabricksError(
      "credentials_invalid",
      `File ${file} (DATABRICKS_OIDC_TOKEN_FILEPATH) cannot be read: ${code}.`
    )
  }
}
