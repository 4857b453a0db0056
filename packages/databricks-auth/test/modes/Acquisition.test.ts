/** Tokens of one mode alone: an identity of another gets an error, and none of this mode's credentials. */
import {
  Acquisition,
  AuthError,
  ClientCredentialsSource,
  ConnectorSettings,
  Identity,
  OAuthM2M,
  OidcConnector,
  OidcNamespace,
  Pat,
  PatSource,
  ProjectedToken,
  IdentityRecord,
  ServiceAccountTokens,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Duration, Effect, Layer, Option, Redacted } from "effect"
import { environment, instance } from "../support/environment.ts"
import { jwt } from "../support/oidc.ts"
import { host } from "../support/tokens.ts"

const fromConnector = Identity.ConnectorLevel.make({})
const identities = {
  pat: new Identity.PatIdentity({ instance: host, origin: fromConnector }),
  oauth_m2m: new Identity.OAuthM2MIdentity({ instance: host, clientId: Option.some("app-0"), origin: fromConnector }),
  oidc_connector: new Identity.OidcConnectorIdentity({
    instance: host,
    clientId: "app-0",
    tokenFile: "/run/token",
    audience: "databricks"
  }),
  oidc_namespace: new Identity.OidcNamespaceIdentity({
    instance: host,
    clientId: "app-a",
    namespace: "team-a",
    serviceAccount: "spark",
    audience: "databricks"
  })
}
type Tag = keyof typeof identities
const tags = Object.keys(identities) as ReadonlyArray<Tag>

const credentials = Layer.mergeAll(
  PatSource.layerMemory({ connector: Redacted.make("dapi-0") }),
  ClientCredentialsSource.layerMemory({ connector: { clientId: "app-0", clientSecret: Redacted.make("s") } }),
  ProjectedToken.layerMemory({ files: { "/run/token": jwt({ sub: "connector" }) } }),
  ServiceAccountTokens.layerMemory({ "team-a": { offers: [], jwt: jwt({ sub: "spark" }) } }),
  TokenEndpoint.layerMemory((request) =>
    Effect.succeed({
      value: Redacted.make(
        `${request.clientId} ${"subject" in request ? request.subject.claims.sub : "by its secret"}`
      ),
      lifetime: Duration.hours(1),
      builtFrom: TokenEndpoint.secretOf(request)
    })
  ),
  ConnectorSettings.layerConfig.pipe(Layer.provide(environment({})))
)

const modes = Layer.mergeAll(Pat.layer, OAuthM2M.layer, OidcConnector.layer, OidcNamespace.layer).pipe(
  Layer.provide(credentials)
)

const tokens: Record<Tag, string> = {
  pat: "dapi-0",
  oauth_m2m: "app-0 by its secret",
  oidc_connector: "app-0 connector",
  oidc_namespace: "app-a spark"
}

/** The recorded form that each identity is recalled from. */
const recorded: Record<Tag, IdentityRecord.IdentityRecord> = {
  pat: { ...IdentityRecord.empty(instance), authType: Option.some("pat") },
  oauth_m2m: { ...IdentityRecord.empty(instance), authType: Option.some("oauth_m2m"), clientId: Option.some("app-0") },
  oidc_connector: {
    ...IdentityRecord.empty(instance),
    authType: Option.some("oidc_federation"),
    clientId: Option.some("app-0"),
    oidcTokenFile: Option.some("/run/token"),
    oidcAudience: Option.some("databricks")
  },
  oidc_namespace: {
    ...IdentityRecord.empty(instance),
    authType: Option.some("oidc_federation"),
    clientId: Option.some("app-a"),
    oidcServiceAccount: Option.some("spark"),
    oidcAudience: Option.some("databricks"),
    namespace: Option.some("team-a")
  }
}

const layers: ReadonlyArray<
  readonly [string, Layer.Layer<Acquisition.Acquisition, never, Layer.Success<typeof modes>>, ReadonlyArray<Tag>]
> = [
  ["every mode", Acquisition.layer, tags],
  ["PAT", Acquisition.layerPat, ["pat"]],
  ["OAuth M2M", Acquisition.layerOAuthM2M, ["oauth_m2m"]],
  ["OIDC federation", Acquisition.layerOidcFederation, ["oidc_connector", "oidc_namespace"]]
]

describe.each(layers)("acquisition by %s", (_, layer, served) => {
  const provided = <A, E>(body: (acquisition: Acquisition.Acquisition["Service"]) => Effect.Effect<A, E>) =>
    Acquisition.Acquisition.use(body).pipe(Effect.provide(Layer.provide(layer, modes)))

  it.effect.each(served)("gets a token of %s, and forgets, records and recalls who it is", (tag) =>
    provided((acquisition) =>
      Effect.gen(function* () {
        const identity = identities[tag]
        assert.strictEqual(Redacted.value((yield* acquisition.acquire(identity)).value), tokens[tag])
        assert.isUndefined(yield* acquisition.forget(identity))
        assertEquals(acquisition.record(identity), recorded[tag])
        assertEquals(yield* acquisition.recall(recorded[tag], host), identity)
      })
    )
  )

  it.effect("has none of another mode", () =>
    provided((acquisition) =>
      Effect.gen(function* () {
        for (const tag of tags.filter((tag) => !served.includes(tag))) {
          const identity = identities[tag]
          const failures = [acquisition.acquire(identity), acquisition.recall(recorded[tag], host)]
          for (const failure of failures) {
            const { reason } = yield* Effect.flip<unknown, AuthError.AuthError, never>(failure)
            assertEquals(
              reason,
              new AuthError.ModeUnavailable({
                wanted: identity.authType,
                from: "The run's pinned identity",
                served: [...served]
              })
            )
          }
          assert.isUndefined(yield* acquisition.forget(identity))
          assertEquals(acquisition.record(identity), {
            ...IdentityRecord.empty(instance),
            authType: Option.some(identity.authType)
          })
        }
      })
    )
  )
})
