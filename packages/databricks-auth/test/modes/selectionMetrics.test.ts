/** What is counted of decisions who a task is: the auth type, whose credential it was, and how it ended. */
import { type AuthError, Identity } from "@flyte-databricks/databricks-auth"
import { decided } from "@flyte-databricks/databricks-auth/modes/selectionMetrics"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, Option, Result } from "effect"
import { host, outage, refusal } from "../support/tokens.ts"

const patOf = (origin: Identity.Origin) => new Identity.PatIdentity({ instance: host, origin })
const principalOf = (origin: Identity.Origin) =>
  new Identity.OAuthM2MIdentity({ instance: host, clientId: Option.some("app"), origin })
const federated = { instance: host, clientId: "app", audience: "databricks" }
const ofVault = new Identity.ExtensionIdentity({
  mode: "vault",
  authType: "oauth_m2m",
  instance: host,
  clientId: "app",
  namespace: Option.none(),
  source: "Vault",
  parameters: {}
})

/** The one series that a decision counts in. */
const counted = (
  outcome: Result.Result<Identity.Identity, AuthError.AuthError>,
  asked: Option.Option<Identity.AuthType> = Option.none()
) =>
  Effect.gen(function* () {
    yield* decided(
      Result.map(outcome, (identity) => ({ identity })),
      asked
    )
    const [series, ...others] = yield* Metric.snapshot
    assert.isEmpty(others)
    assert(series !== undefined)
    assert.strictEqual(series.id, "flyte_databricks_identity_selections_total")
    return series.attributes
  }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))

describe("a decision", () => {
  it.effect.each([
    ["pat", "namespace", patOf(Identity.NamespaceSecret.make({ namespace: "team-a", name: "s" }))],
    ["pat", "connector", patOf(Identity.ConnectorLevel.make({}))],
    ["pat", "request", patOf(Identity.RequestSecret.make({}))],
    ["pat", "request", patOf(Identity.StoredToken.make({}))],
    ["oauth_m2m", "connector", principalOf(Identity.ConnectorLevel.make({}))],
    ["oauth_m2m", "namespace", principalOf(Identity.Unrecorded.make({ namespace: Option.none(), name: "s" }))],
    ["oidc_federation", "connector", new Identity.OidcConnectorIdentity({ ...federated, tokenFile: "/t" })],
    [
      "oidc_federation",
      "namespace",
      new Identity.OidcNamespaceIdentity({ ...federated, namespace: "team-a", serviceAccount: "spark" })
    ],
    ["oauth_m2m", "extension", ofVault]
  ] as const)("counts by auth type and whose the credential is: %s, %s", ([auth_type, origin, identity]) =>
    Effect.gen(function* () {
      const expected = { auth_type, origin, outcome: "resolved" }
      assert.deepStrictEqual(yield* counted(Result.succeed(identity)), expected)
    })
  )

  it.effect("for nobody counts by the auth type that was asked for, and by whether it may pass", () =>
    Effect.gen(function* () {
      const nobody = (auth_type: string, outcome: string) => ({ auth_type, origin: "none", outcome })
      assert.deepStrictEqual(yield* counted(Result.fail(refusal)), nobody("none", "refused"))
      assert.deepStrictEqual(yield* counted(Result.fail(outage)), nobody("none", "unavailable"))
      assert.deepStrictEqual(yield* counted(Result.fail(refusal), Option.some("pat")), nobody("pat", "refused"))
    })
  )
})
