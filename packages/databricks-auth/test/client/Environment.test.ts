/** Databricks' own variables. */
import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude, assertTrue } from "@effect/vitest/utils"
import { Effect } from "effect"
import { fromEnvironment } from "../../src/client.ts"
import { clientOf, fileWith, me, rejection, workspaceOf } from "./support.ts"

const host = "http://127.0.0.1:9"
const pair = { DATABRICKS_CLIENT_ID: "0b5f2b1c-5a5f-4f7e-8f52-000000000001", DATABRICKS_CLIENT_SECRET: "dose1" }
const pairSource = "DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET"
type Variables = Readonly<Record<string, string | undefined>>

/** The client that they make, to which GitHub gives a JWT. */
const explain = (variables: Variables) => {
  const fetch = () => Promise.resolve(Response.json({ value: jwt }))
  return Effect.flatMap(clientOf({ host, auth: fromEnvironment(variables), fetch }), (client) =>
    Effect.promise(client.explain)
  )
}
const sourceOf = (variables: Variables) =>
  Effect.map(explain(variables), ({ error, identity }) => identity?.source ?? error?.code)
const jwt = `${btoa('{"alg":"RS256"}').replaceAll("=", "")}.${btoa("{}").replaceAll("=", "")}.sig`

describe("the environment", () => {
  it.effect("takes the first that is set, in the order of Databricks' SDKs", () =>
    Effect.gen(function* () {
      const { DATABRICKS_CLIENT_ID } = pair
      assertEquals(yield* sourceOf({ DATABRICKS_TOKEN: "dapi" }), "DATABRICKS_TOKEN")
      assertEquals(yield* sourceOf(pair), pairSource)
      assertEquals(
        yield* sourceOf({ DATABRICKS_CLIENT_ID, DATABRICKS_OIDC_TOKEN: jwt }),
        "variable DATABRICKS_OIDC_TOKEN"
      )
      const elsewhere = { DATABRICKS_OIDC_TOKEN_ENV: "MINE", MINE: jwt }
      assertEquals(yield* sourceOf({ DATABRICKS_CLIENT_ID, ...elsewhere }), "variable MINE")
      assertEquals(yield* sourceOf({ ...pair, ...elsewhere, DATABRICKS_AUTH_TYPE: "env-oidc" }), "variable MINE")
      assertEquals(yield* sourceOf({ DATABRICKS_TOKEN: "dapi", DATABRICKS_CLIENT_ID }), "DATABRICKS_TOKEN")
    })
  )

  it.effect("takes the one that DATABRICKS_AUTH_TYPE names, whatever else is set", () =>
    Effect.gen(function* () {
      const file = yield* fileWith(jwt)
      const all = {
        ...pair,
        DATABRICKS_TOKEN: "dapi",
        DATABRICKS_OIDC_TOKEN: jwt,
        DATABRICKS_OIDC_TOKEN_FILEPATH: file,
        ACTIONS_ID_TOKEN_REQUEST_URL: "https://actions.example.com/token",
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner"
      }
      const named = ["pat", "oauth-m2m", "env-oidc", "file-oidc", "github-oidc"].map((DATABRICKS_AUTH_TYPE) =>
        sourceOf({ ...all, DATABRICKS_AUTH_TYPE })
      )
      assertEquals(yield* Effect.all(named), [
        "DATABRICKS_TOKEN",
        pairSource,
        "variable DATABRICKS_OIDC_TOKEN",
        `file ${file}`,
        "GitHub Actions"
      ])
    })
  )

  it.effect("takes a JWT in the order variable, file, GitHub Actions, where a client id says whose it is", () =>
    Effect.gen(function* () {
      const { DATABRICKS_CLIENT_ID } = pair
      const [mine, other] = yield* Effect.all([fileWith(jwt), fileWith(jwt)])
      const gitHub = {
        ACTIONS_ID_TOKEN_REQUEST_URL: "https://actions.example.com/token",
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner"
      }
      const older = { ...gitHub, DATABRICKS_OIDC_TOKEN_FILE: other }
      const newer = { ...older, DATABRICKS_OIDC_TOKEN_FILEPATH: mine }
      const variable = { ...newer, DATABRICKS_OIDC_TOKEN: jwt }
      for (const [variables, source] of [
        [gitHub, "GitHub Actions"],
        [older, `file ${other}`],
        [newer, `file ${mine}`],
        [variable, "variable DATABRICKS_OIDC_TOKEN"]
      ] as const) {
        assertEquals(yield* sourceOf({ ...variables, DATABRICKS_CLIENT_ID }), source)
        assertEquals(yield* sourceOf(variables), "credentials_missing")
        const secret = pair.DATABRICKS_CLIENT_SECRET
        assertEquals(yield* sourceOf({ ...variables, DATABRICKS_CLIENT_SECRET: secret }), "credentials_missing")
      }
    })
  )

  it.effect("reads no blanks around a value, and nothing that is undefined", () =>
    Effect.gen(function* () {
      assertEquals(yield* sourceOf({ DATABRICKS_TOKEN: undefined, ...pair }), pairSource)
      const { identity } = yield* explain({ DATABRICKS_CLIENT_ID: " id ", DATABRICKS_CLIENT_SECRET: "dose1" })
      assertEquals(identity?.principal, "id")
    })
  )

  it.effect("is that of the process where none is given", () =>
    Effect.gen(function* () {
      const client = yield* clientOf({ host, auth: fromEnvironment() })
      const { error } = yield* Effect.promise(client.explain)
      // Whatever it holds, it can be read.
      assertTrue(error?.code !== "unexpected")
    })
  )

  it.effect("names a file that cannot be read, and why", () =>
    Effect.gen(function* () {
      const { DATABRICKS_CLIENT_ID } = pair
      const { error } = yield* explain({ DATABRICKS_CLIENT_ID, DATABRICKS_OIDC_TOKEN_FILEPATH: "/nowhere/token" })
      assertEquals(error?.code, "credentials_invalid")
      assertEquals(error?.message, "File /nowhere/token (DATABRICKS_OIDC_TOKEN_FILEPATH) cannot be read: ENOENT.")
    })
  )

  it.effect("is no credential where there is none, half of one, or two", () =>
    Effect.gen(function* () {
      const { DATABRICKS_CLIENT_ID } = pair
      assertEquals(yield* sourceOf({}), "credentials_missing")
      assertEquals(yield* sourceOf({ DATABRICKS_TOKEN: "  " }), "credentials_missing")
      assertEquals(yield* sourceOf({ DATABRICKS_CLIENT_ID }), "credentials_missing")
      assertEquals(
        yield* sourceOf({ DATABRICKS_TOKEN: "dapi", DATABRICKS_AUTH_TYPE: "oauth-m2m" }),
        "credentials_missing"
      )
      assertEquals(yield* sourceOf({ DATABRICKS_TOKEN: "dapi", ...pair }), "configuration_invalid")
      assertEquals(
        yield* sourceOf({ DATABRICKS_TOKEN: "dapi", DATABRICKS_AUTH_TYPE: "azure-cli" }),
        "configuration_invalid"
      )
      const chosen = { DATABRICKS_TOKEN: "dapi", ...pair, DATABRICKS_AUTH_TYPE: "pat" }
      assertEquals(yield* sourceOf(chosen), "DATABRICKS_TOKEN")
    })
  )

  it.effect("says what is wrong with it, and what to set", () =>
    Effect.gen(function* () {
      const messageOf = (variables: Variables) => Effect.map(explain(variables), ({ error }) => error?.message)
      const missing = (authType = "") =>
        `The environment holds no credentials for Databricks${authType}. ` +
        "Set DATABRICKS_TOKEN; or DATABRICKS_CLIENT_ID with DATABRICKS_CLIENT_SECRET; or DATABRICKS_CLIENT_ID with " +
        "a JWT in DATABRICKS_OIDC_TOKEN, in a file that DATABRICKS_OIDC_TOKEN_FILEPATH names, or of GitHub Actions."
      assertEquals(yield* messageOf({}), missing())
      assertEquals(yield* messageOf({ DATABRICKS_AUTH_TYPE: "pat", ...pair }), missing(" (auth type pat)"))
      assertEquals(
        yield* messageOf({ DATABRICKS_TOKEN: "dapi", ...pair }),
        "DATABRICKS_TOKEN and DATABRICKS_CLIENT_SECRET are both set. Unset one, or say which in DATABRICKS_AUTH_TYPE " +
          "(pat or oauth-m2m)."
      )
      assertEquals(
        yield* messageOf({ DATABRICKS_AUTH_TYPE: "a".repeat(100) }),
        `DATABRICKS_AUTH_TYPE is "${"a".repeat(40)}", expected one of pat, oauth-m2m, env-oidc, file-oidc, github-oidc.`
      )
    })
  )

  it.effect("says the host too", () =>
    Effect.gen(function* () {
      const workspace = yield* workspaceOf()
      const client = yield* clientOf({
        host: undefined,
        auth: fromEnvironment({ DATABRICKS_HOST: workspace.url, DATABRICKS_TOKEN: workspace.pat })
      })
      assertEquals((yield* Effect.promise(() => client.fetch(me))).status, 200)
      const none = yield* clientOf({ auth: fromEnvironment({ DATABRICKS_TOKEN: "dapi" }) })
      assertInclude((yield* rejection(none.headers)).message, "DATABRICKS_HOST")
    })
  )
})
