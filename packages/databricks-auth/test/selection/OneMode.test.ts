/** Selection for one auth type: it finds its own credentials, and refuses a task that asks for another. */
import {
  AuthError,
  AuthRequest,
  ConnectorSettings,
  OAuthM2M,
  OidcConnector,
  OidcNamespace,
  Pat,
  Selection
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Layer } from "effect"
import { sources, type Surroundings } from "../support/connector.ts"

const modes = Layer.mergeAll(Pat.layer, OAuthM2M.layer, OidcConnector.layer, OidcNamespace.layer)

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
  ["pat", Selection.layerPat, connector, "connector"],
  ["oauth_m2m", Selection.layerOAuthM2M, connector, "connector"],
  ["oidc_federation", Selection.layerOidcFederation, connector, `JWT file ${jwtFile}`],
  ["oidc_federation", Selection.layerOidcFederation, offered, "ServiceAccount team-a/spark"]
] as const

const select = (
  layer: Layer.Layer<Selection.Selection, never, Layer.Success<typeof modes>>,
  surroundings: Surroundings,
  authType?: string
) =>
  Effect.gen(function* () {
    const settings = yield* ConnectorSettings.ConnectorSettings
    const request = yield* AuthRequest.make(settings, { namespace: "team-a", settings: { authType } })
    return yield* Selection.Selection.use((selection) => selection.select(request)).pipe(
      Effect.provide(Layer.provide(layer, modes))
    )
  }).pipe(Effect.provide(sources(surroundings)))

describe.each(layers)("selection for %s alone", (own, layer, surroundings, source) => {
  it.effect(`finds ${source}, whether or not the task asks for it`, () =>
    Effect.gen(function* () {
      for (const asked of [undefined, own]) {
        const { identity } = yield* select(layer, surroundings, asked)
        assert.strictEqual(identity.authType, own)
        assert.strictEqual(identity.source, source)
      }
    })
  )

  it.effect("is told by name where the task asks for another", () =>
    Effect.gen(function* () {
      for (const other of ["pat", "oauth_m2m", "oidc_federation"].filter((authType) => authType !== own)) {
        const error = yield* Effect.flip(select(layer, surroundings, other))
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
      const { message } = yield* Effect.flip(select(layer, {}))
      assert.include(message, `No credentials for auth type ${own}.`)
    })
  )
})
