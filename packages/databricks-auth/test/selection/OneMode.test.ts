/** Selection for one auth type: it finds its own credentials, and refuses a task that asks for another. */
import { AuthError, DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect } from "effect"
import { connector as connectorOf, type Surroundings } from "../support/connector.ts"

const jwtFile = "/var/run/secrets/databricks/token"
const connector: Surroundings = {
  secrets: {
    FLYTE_DATABRICKS_CLIENT_ID: "app-0",
    FLYTE_DATABRICKS_CLIENT_SECRET: "s",
    FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0"
  },
  jwtFile
}
const offered: Surroundings = {
  ...connector,
  serviceAccounts: {
    "team-a/spark": {
      labels: { "flyte.org/databricks-enabled": "true" },
      annotations: { "flyte.org/databricks-client-id": "app-a" }
    }
  }
}

const layers = [
  ["pat", DatabricksAuth.layerPat, connector, "connector"],
  ["oauth_m2m", DatabricksAuth.layerOAuthM2M, connector, "connector"],
  ["oidc_federation", DatabricksAuth.layerOidcFederation, connector, `JWT file ${jwtFile}`],
  ["oidc_federation", DatabricksAuth.layerOidcFederation, offered, "ServiceAccount team-a/spark"]
] as const

const resolve = (layer: Parameters<typeof connectorOf>[1], surroundings: Surroundings, authType?: string) =>
  DatabricksAuth.DatabricksAuth.use((auth) => auth.resolve({ namespace: "team-a", settings: { authType } })).pipe(
    Effect.provide(connectorOf(surroundings, layer))
  )

describe.each(layers)("selection for %s alone", (own, layer, surroundings, source) => {
  it.effect(`finds ${source}, whether or not the task asks for it`, () =>
    Effect.gen(function* () {
      for (const asked of [undefined, own]) {
        const { identity } = yield* resolve(layer, surroundings, asked)
        assert.strictEqual(identity.authType, own)
        assert.strictEqual(identity.source, source)
      }
    })
  )

  it.effect("is told by name where the task asks for another", () =>
    Effect.gen(function* () {
      for (const other of ["pat", "oauth_m2m", "oidc_federation"].filter((authType) => authType !== own)) {
        const error = yield* Effect.flip(resolve(layer, surroundings, other))
        assert(error._tag === "AuthError", error.message)
        assertEquals(
          error.reason,
          new AuthError.ModeUnavailable({ wanted: other, from: "databricksAuthType of the task", served: [own] })
        )
      }
    })
  )

  it.effect("without any of its credentials says what it looked for", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(resolve(layer, {}))
      assert.include(message, `No credentials for auth type ${own}.`)
    })
  )
})
