/** Databricks' own variables. */
import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude } from "@effect/vitest/utils"
import { Effect } from "effect"
import { fromEnvironment } from "../../src/client.ts"
import { clientOf, me, rejection, workspaceOf } from "./support.ts"

const host = "http://127.0.0.1:9"
const pair = { DATABRICKS_CLIENT_ID: "0b5f2b1c-5a5f-4f7e-8f52-000000000001", DATABRICKS_CLIENT_SECRET: "dose1" }
const explain = (variables: Readonly<Record<string, string>>) =>
  Effect.flatMap(clientOf({ host, auth: fromEnvironment(variables) }), (client) => Effect.promise(client.explain))
const sourceOf = (variables: Readonly<Record<string, string>>) =>
  Effect.map(explain(variables), ({ error, identity }) => identity?.source ?? error?.code)
const jwt = `${btoa('{"alg":"RS256"}').replaceAll("=", "")}.${btoa("{}").replaceAll("=", "")}.sig`

describe("the environment", () => {
  it.effect("takes the first that is set, in the order of Databricks' SDKs", () =>
    Effect.gen(function* () {
      const { DATABRICKS_CLIENT_ID } = pair
      assertEquals(yield* sourceOf({ DATABRICKS_TOKEN: "dapi" }), "DATABRICKS_TOKEN")
      assertEquals(yield* sourceOf(pair), "DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET")
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

  it.effect("reads a file that is rotated each time", () =>
    Effect.gen(function* () {
      const { DATABRICKS_CLIENT_ID } = pair
      const { error } = yield* explain({ DATABRICKS_CLIENT_ID, DATABRICKS_OIDC_TOKEN_FILEPATH: "/nowhere/token" })
      assertEquals(error?.code, "credentials_invalid")
      assertInclude(error?.message, "/nowhere/token")
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
