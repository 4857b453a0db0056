/** Tokens of one mode alone: an identity of another gets an error, and none of this mode's credentials. */
import {
  AuthError,
  ClientCredentialsSource,
  ConnectorSettings,
  DatabricksAuth,
  Identity,
  PatSource,
  ProjectedToken,
  IdentityRecord,
  ServiceAccountTokens,
  TokenEndpoint,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Duration, Effect, Layer, Option, Redacted } from "effect"
import { asked } from "../support/connector.ts"
import { environment, instance } from "../support/environment.ts"
import { jwt } from "../support/jwt.ts"
import { bearer, host } from "../support/tokens.ts"

const fromConnector = Identity.ConnectorLevel.make({})
const identities = {
  pat: new Identity.PatIdentity({ instance: host, origin: fromConnector }),
  oauth_m2m: new Identity.OAuthM2MIdentity({ instance: host, clientId: Option.some("app-0"), origin: fromConnector }),
  oidc_connector: new Identity.OidcConnectorIdentity({
    instance: host,
    clientId: "app-0",
    tokenFile: "/var/run/secrets/databricks/token",
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
  ProjectedToken.layerMemory({ files: { "/var/run/secrets/databricks/token": jwt({ sub: "connector" }) } }),
  ServiceAccountTokens.layerMemory({
    "team-a": [{ serviceAccount: "spark", clientId: "app-a", audience: Option.none() }]
  }),
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

const tokens: Record<Tag, string> = {
  pat: "dapi-0",
  oauth_m2m: "app-0 by its secret",
  oidc_connector: "app-0 connector",
  oidc_namespace: "app-a system:serviceaccount:team-a:spark"
}

/** The recorded form that each identity is recalled from. */
const recorded: Record<Tag, IdentityRecord.IdentityRecord> = {
  pat: IdentityRecord.empty(instance),
  oauth_m2m: { ...IdentityRecord.empty(instance), authType: Option.some("oauth_m2m"), clientId: Option.some("app-0") },
  oidc_connector: {
    ...IdentityRecord.empty(instance),
    authType: Option.some("oidc_federation"),
    clientId: Option.some("app-0"),
    oidcTokenFile: Option.some("/var/run/secrets/databricks/token"),
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
  readonly [
    string,
    Layer.Layer<DatabricksAuth.DatabricksAuth, never, Layer.Success<typeof credentials>>,
    ReadonlyArray<Tag>
  ]
> = [
  ["every mode", DatabricksAuth.layer, tags],
  ["PAT", DatabricksAuth.layerPat, ["pat"]],
  ["OAuth M2M", DatabricksAuth.layerOAuthM2M, ["oauth_m2m"]],
  ["OIDC federation", DatabricksAuth.layerOidcFederation, ["oidc_connector", "oidc_namespace"]]
]

const resolved = { namespace: Option.none(), explanation: [], builtFrom: Option.none() }

describe.each(layers)("acquisition by %s", (_, layer, served) => {
  const provided = <A, E>(body: (auth: DatabricksAuth.DatabricksAuth["Service"]) => Effect.Effect<A, E>) =>
    DatabricksAuth.DatabricksAuth.use(body).pipe(Effect.provide(Layer.provide(layer, credentials)))

  it.effect.each(served)("gets a token of %s, and records and recalls who it is", (tag) =>
    provided((auth) =>
      Effect.gen(function* () {
        const identity = identities[tag]
        const header = yield* auth.getHeader({ identity })
        assert.strictEqual(bearer(header), `Bearer ${tokens[tag]}`)
        yield* auth.invalidate({ identity }, header)
        assert.strictEqual(bearer(yield* auth.getHeader({ identity })), `Bearer ${tokens[tag]}`)
        const { namespace } = recorded[tag]
        assertEquals(auth.record({ identity, ...resolved, namespace }), recorded[tag])
        assertEquals(yield* auth.recall(recorded[tag]), { identity })
      })
    )
  )

  it.effect("has nothing to forget, to describe or to record of another mode", () =>
    provided((auth) =>
      Effect.gen(function* () {
        const refused = { authorization: Redacted.make("Bearer x") }
        for (const tag of tags.filter((tag) => !served.includes(tag))) {
          const identity = identities[tag]
          assertEquals(yield* auth.subject({ identity }), Option.none())
          yield* auth.invalidate({ identity }, refused)
          const { authType } = identity
          assertEquals(auth.record({ identity, ...resolved }), {
            ...IdentityRecord.empty(instance),
            authType: Option.some(authType)
          })
        }
      })
    )
  )

  it.effect("has none of another mode", () =>
    provided((auth) =>
      Effect.gen(function* () {
        for (const tag of tags.filter((tag) => !served.includes(tag))) {
          const identity = identities[tag]
          for (const failure of [auth.getHeader({ identity }), auth.recall(recorded[tag])]) {
            const { reason } = yield* Effect.flip<unknown, AuthError.AuthError, never>(failure)
            assertEquals(
              reason,
              new AuthError.ModeUnavailable({
                wanted: identity.authType,
                from: "The run's pinned identity",
                served: [...new Set(served.map((one) => identities[one].authType))]
              })
            )
          }
        }
      })
    )
  )
})

describe("a credential that somebody made or changed", () => {
  it.effect("gets no header for a workspace that is not on the allow-list", () =>
    DatabricksAuth.DatabricksAuth.use((auth) =>
      Effect.gen(function* () {
        const instance = WorkspaceHost.WorkspaceHost.make("attacker.example.com")
        const made = [
          new Identity.PatIdentity({ ...identities.pat, instance }),
          new Identity.OAuthM2MIdentity({ ...identities.oauth_m2m, instance }),
          new Identity.OidcConnectorIdentity({ ...identities.oidc_connector, instance }),
          new Identity.OidcNamespaceIdentity({ ...identities.oidc_namespace, instance })
        ]
        for (const identity of made) {
          const { reason } = yield* Effect.flip(auth.getHeader({ identity, storedToken: Redacted.make("dapi-0") }))
          assert.strictEqual(reason._tag, "InstanceRefused")
        }
        assert.deepStrictEqual(yield* asked, [])
      })
    ).pipe(Effect.provide(DatabricksAuth.layer), Effect.provide(credentials))
  )
})
